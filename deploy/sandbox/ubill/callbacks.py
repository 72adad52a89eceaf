"""Delivery callbacks: a GET to the URL that is set, in the background; how each went is remembered."""

import asyncio
from collections import deque
from typing import Any

import aiohttp

MAX_UNDER_WAY = 1_000
MAX_REMEMBERED = 1_000
TIMEOUT_S = 10.0


class Callbacks:
    """Sends them once each. A failure is remembered, not repeated: the document promises no repetition."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()
        self._done: deque[dict[str, Any]] = deque(maxlen=MAX_REMEMBERED)

    def reset(self) -> None:
        """Forget all; those under way are cut off."""
        for task in self._under_way:
            task.cancel()
        self._under_way = set()
        self._done = deque(maxlen=MAX_REMEMBERED)

    def send(self, url: str, query: dict[str, str]) -> None:
        """Raises ValueError when too many are under way."""
        if len(self._under_way) >= MAX_UNDER_WAY:
            raise ValueError(f"{MAX_UNDER_WAY} callbacks are under way")
        task = asyncio.get_running_loop().create_task(_call(url, query, self._done))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def told(self) -> dict[str, Any]:
        """As the control answers show it: the last ones, oldest first, without the key."""
        return {"under_way": len(self._under_way), "done": list(self._done)}


async def _call(url: str, query: dict[str, str], done: deque[dict[str, Any]]) -> None:
    row: dict[str, Any] = {name: value for name, value in query.items() if name != "key"}
    row |= {"status": None, "answer": None, "error": None}
    try:
        timeout = aiohttp.ClientTimeout(TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            # A receiver in a test has a certificate that nobody vouches for.
            session.get(url, params=query, allow_redirects=False, ssl=False) as answer,
        ):
            row["status"] = answer.status
            row["answer"] = (await answer.content.read(1000)).decode("utf-8", "replace")
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        row["error"] = type(error).__name__
    done.append(row)

"""Requests that come at the same time share a transaction: one commit, and one round trip for each statement, for all.

Each still has its own answer, and none waits for another to come: what is there when a turn is free goes with it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from worker.web.limits import Work
from worker.web.problems import Fault, Problem

T = TypeVar("T")
R = TypeVar("R")

TURNS = 2  # at once: while one waits for PostgreSQL another is read
MOST = 200  # things of several requests in one turn; a larger request has a turn of its own


class Gathering(Generic[T, R]):
    """do: what one turn does, in a thread: a result for each thing, in their order. Of the event loop alone."""

    def __init__(self, work: Work, do: Callable[[Sequence[T]], Sequence[R]], answer_s: float) -> None:
        self._work, self._do, self._answer_s = work, do, answer_s
        self._waiting: deque[tuple[Sequence[T], asyncio.Future[Sequence[R]]]] = deque()
        self._turns: set[asyncio.Task[None]] = set()

    async def __call__(self, things: Sequence[T]) -> Sequence[R]:
        """The results of these. Raises what `Work` does. A Problem of the turn is everybody's who shared it; any other
        error is of the one that brings it about alone, too."""
        future: asyncio.Future[Sequence[R]] = asyncio.get_running_loop().create_future()
        self._waiting.append((things, future))
        self._begin()
        try:
            return await asyncio.wait_for(future, self._answer_s)
        except TimeoutError:
            raise Problem(Fault.DATABASE_AWAY) from None

    def _begin(self) -> None:
        while self._waiting and len(self._turns) < TURNS:
            task = asyncio.ensure_future(self._turn(self._next()))
            self._turns.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._turns.discard(task)
        self._begin()

    def _next(self) -> list[tuple[Sequence[T], "asyncio.Future[Sequence[R]]"]]:
        found = [self._waiting.popleft()]
        count = len(found[0][0])
        while self._waiting and count + len(self._waiting[0][0]) <= MOST:
            found.append(self._waiting.popleft())
            count += len(found[-1][0])
        return [one for one in found if not one[1].done()]  # who gave up meanwhile asks again

    async def _turn(self, group: "list[tuple[Sequence[T], asyncio.Future[Sequence[R]]]]") -> None:
        things = [thing for some, _ in group for thing in some]
        try:
            results = await self._work(lambda: self._do(things)) if things else ()
        except Exception as error:
            if len(group) > 1 and not isinstance(error, Problem):  # a defect that one of them brought about
                for one in group:
                    await self._turn([one])
                return
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        begin = 0
        for some, future in group:
            if not future.done():
                future.set_result(results[begin : begin + len(some)])
            begin += len(some)

"""The route that tells events as they come: server-sent events, each with its position as its id."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from shared.database.engine import Connection
from shared.events import feed
from shared.events.feed import Page
from shared.messaging.events_stream import cloud_event
from worker.web.asked import TheCaller, TheDoor
from worker.web.callers import Caller
from worker.web.door import Door
from worker.web.problems import Fault, Problem
from worker.web.reading import Position

router = APIRouter(tags=["events"])

PATH = "/events/stream"
LOOK_S = 0.5  # how often it is looked whether there is something new
HEARTBEAT_S = 15.0
_PAGE = 100
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class _Stream(StreamingResponse):
    """Gives its place back however it ends."""

    def __init__(self, told: AsyncIterator[bytes], place: ExitStack) -> None:
        super().__init__(told, headers=_HEADERS, media_type="text/event-stream")
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


@router.get(
    PATH,
    summary="Events as they come (server-sent events)",
    description="id: the position, which Last-Event-ID goes on behind; event: the type; data: the event. Without a"
    " position it begins with what comes next. Comments are heartbeats.",
    responses={200: {"content": {"text/event-stream": {}}, "description": "A stream without an end"}},
    response_class=StreamingResponse,
    openapi_extra={
        "parameters": [{"name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"}}]
    },
)
async def stream(request: Request, door: TheDoor, caller: TheCaller, after: Position = "end") -> StreamingResponse:
    position = request.headers.get("last-event-id", after)
    if re.fullmatch("[0-9]{1,18}|end", position) is None:
        raise Problem(Fault.BAD_PARAMETER, "Last-Event-ID is the id of an event of this stream")
    place = ExitStack()
    place.enter_context(door.streams.one(caller.source))
    try:
        start = await door.asks(door.horizon.look) if position == "end" else int(position)
    except BaseException:
        place.close()
        raise
    return _Stream(_told(door, caller, request.headers.get("authorization"), start), place)


async def _told(door: Door, caller: Caller, authorization: str | None, position: int) -> AsyncIterator[bytes]:
    """Until the process stops, or the key opens nothing any more."""
    told_s = time.monotonic()
    yield b": settlepipe\n\n"  # at once: who asked sees that it is open
    while not door.stopping:
        try:
            if await door.callers.of(authorization) != caller:
                return
            horizon = await door.horizon_lately(LOOK_S / 2)
            page = Page([], position, more=False)
            if horizon > position:
                async with door.looks:
                    page = await door.asks(_look(caller.source, position, horizon))
        except Problem as problem:
            if problem.status in (401, 403):
                return
            page = Page([], position, more=False)
        position = page.position
        for event in page.events:
            yield sse(event)
        if page.events:
            told_s = time.monotonic()
        elif time.monotonic() - told_s >= HEARTBEAT_S:  # a look may have taken as long as an answer may
            told_s = time.monotonic()
            yield b": still here\n\n"
        if not page.more:
            await asyncio.sleep(LOOK_S)


def _look(source: str, position: int, horizon: int) -> Callable[[Connection], Page]:
    return lambda connection: feed.page(connection, source, position, horizon, _PAGE)


def sse(event: Mapping[str, Any]) -> bytes:
    """One event; its JSON is one line: between two words of it a line's end is as good as a blank."""
    data = cloud_event(event).replace("\n", " ")
    return f"id: {event['id']}\nevent: {event['type']}\ndata: {data}\n\n".encode()

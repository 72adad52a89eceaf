"""Routes that only look: a source's payments, one with its history, its events."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from shared.database.engine import Connection
from shared.domain.payment import State
from shared.events import feed
from shared.events.feed import Page
from shared.messaging.events_stream import cloud_event
from shared.payments import views
from worker.web.asked import InPath, TheCaller, TheDoor
from worker.web.models import EventsDocument, PaymentDocument, PaymentsDocument
from worker.web.problems import Fault, Problem

router = APIRouter(tags=["payments", "events"])

_ID = r"^[A-Za-z0-9._:-]{0,64}$"
_POSITION = r"^([0-9]{1,18}|end)$"
MOST = 200  # of a page: each may have 64 KiB of metadata
HELD_S = 1  # what Retry-After says where events are there that are not told yet
Limit = Annotated[int, Query(ge=1, le=MOST)]
Position = Annotated[
    str, Query(pattern=_POSITION, description="a page's `next`; 0: the beginning; end: behind what is there")
]


@router.get("/payments", summary="List payments by intent id", responses={200: {"model": PaymentsDocument}})
async def payments(  # noqa: PLR0917 - each is named in the URL
    door: TheDoor,
    caller: TheCaller,
    after: Annotated[str, Query(pattern=_ID, description="the last page's `next`")] = "",
    limit: Limit = 100,
    state: State | None = None,
    provider: Annotated[str | None, Query(pattern="^[a-z]{1,64}$")] = None,
) -> Response:
    rows, following = await door.asks(
        lambda connection: views.page(connection, caller.source, after, state=state, provider=provider, limit=limit)
    )
    return _json(f'{{"payments": [{", ".join(rows)}], "next": {json.dumps(following)}}}')


@router.get(
    "/payments/{source}/{intent_id}",
    summary="A payment and everything that was done about it",
    responses={200: {"model": PaymentDocument}},
)
async def payment(
    source: InPath,
    intent_id: InPath,
    door: TheDoor,
    _: TheCaller,
) -> Response:
    def look(connection: Connection) -> str | None:
        number = views.payment_id(connection, source, intent_id)
        return None if number is None else json.dumps(views.payment(connection, number), ensure_ascii=False)

    found = await door.asks(look)
    if found is None:
        raise Problem(Fault.NOT_FOUND, "there is no such payment")
    return _json(found)


@router.get(
    "/events",
    summary="A page of events, in order",
    description="more: false says that all that was committed before this request is told. True with Retry-After says"
    " that there may be something which can't be told yet: ask again then.",
    responses={200: {"model": EventsDocument}},
)
async def events(door: TheDoor, caller: TheCaller, after: Position = "0", limit: Limit = 100) -> Response:
    def look(connection: Connection) -> tuple[Page, bool]:
        horizon = door.horizon.look(connection)
        page = feed.page(connection, caller.source, horizon if after == "end" else int(after), horizon, limit)
        return page, not page.more and feed.held(connection, caller.source, page.position)

    page, held = await door.asks(look)
    told = ", ".join(map(cloud_event, page.events))
    text = f'{{"events": [{told}], "next": "{page.position}", "more": {json.dumps(page.more or held)}}}'
    return _json(text, {"Retry-After": str(HELD_S)} if held else {})


def _json(text: str, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    return Response(text.encode(), media_type="application/json", headers={"Cache-Control": "no-store", **headers})

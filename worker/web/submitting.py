"""Routes that change something: intents are taken, a payment is cancelled."""

import json
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from shared.domain.payment import State
from shared.messaging.intake_entry import trace
from shared.payments import resolve, views
from shared.payments.look import Unresolvable
from worker.web import batch
from worker.web.asked import InPath, TheCaller, TheDoor
from worker.web.callers import Caller
from worker.web.door import Door
from worker.web.models import CancelledDocument, Reason
from worker.web.problems import Fault, Problem, bad_parameter
from worker.web.taking import Given, Taken

router = APIRouter(tags=["payments"])

_REF = "#/components/schemas/"
_BATCH = {
    "type": "object",
    "required": ["intents"],
    "additionalProperties": False,
    "properties": {
        "intents": {"type": "array", "minItems": 1, "maxItems": batch.MOST, "items": {"$ref": f"{_REF}Intent"}}
    },
}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


@router.post(
    "/intents",
    summary="Submit one intent, or a batch",
    description="202: it is committed. A batch gets 207 and for each intent, in order, what it would have got alone.",
    status_code=HTTPStatus.ACCEPTED,
    responses={
        202: {"description": "Committed", **_content({"$ref": f"{_REF}Taken"})},
        207: {"description": "Of a batch", **_content({"$ref": f"{_REF}BatchResult"})},
    },
    openapi_extra={
        "requestBody": {"required": True, **_content({"oneOf": [{"$ref": f"{_REF}Intent"}, _BATCH]})},
        "parameters": [
            {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string"}},
            {"name": "traceparent", "in": "header", "required": False, "schema": {"type": "string"}},
        ],
    },
)
async def submit(request: Request, door: TheDoor, caller: TheCaller) -> Response:
    async with door.body(request) as body:
        return await _submitted(request, door, caller, body)


async def _submitted(request: Request, door: Door, caller: Caller, body: bytes) -> Response:
    cut = batch.cut(body)
    if cut is not None and len(cut) > 1:
        door.spend(caller.source, len(cut) - 1)
    raws = [body] if cut is None else cut
    traceparent = trace(request.headers.get("traceparent", "").encode())
    said = request.headers.get("idempotency-key") if cut is None else None
    answers = await door.takes([Given(caller.source, raw, traceparent, said) for raw in raws])
    door.bell.ring({one.intent.provider for one in answers if isinstance(one, Taken) and not one.repeated})
    if cut is not None:
        return _json({"results": [one.document for one in answers]}, HTTPStatus.MULTI_STATUS)
    (answer,) = answers
    if isinstance(answer, Problem):
        raise answer
    return _json(answer.document, HTTPStatus.ACCEPTED, Location=answer.document["payment"])


@router.post(
    "/payments/{source}/{intent_id}/cancel",
    summary="Cancel a payment of which nothing was sent",
    responses={200: {"model": CancelledDocument}},
    openapi_extra={"requestBody": {"required": True, **_content(Reason.model_json_schema())}},
)
async def cancel(request: Request, source: InPath, intent_id: InPath, door: TheDoor, caller: TheCaller) -> Response:
    async with door.body(request) as body:
        reason = _reason(body)
    runtime = door.ready

    def do() -> None:
        with runtime.database.connection() as connection:
            number = views.payment_id(connection, source, intent_id)
        if number is None:
            raise Problem(Fault.NOT_FOUND, "there is no such payment")
        try:
            resolve.cancel(runtime.database, source, intent_id, reason=reason, by=caller.name, seen=runtime.seen)
        except Unresolvable as error:
            with runtime.database.connection() as connection:
                state = views.payment(connection, number)["state"]
            if state != State.CANCELLED:  # else it is the repeat of one whose answer was lost
                raise Problem(Fault.NOT_CANCELLED, str(error)) from None

    await door.work(do)
    return _json({"source": source, "intent_id": intent_id, "state": "cancelled"}, HTTPStatus.OK)


def _reason(body: bytes) -> str:
    try:
        return Reason.model_validate_json(body).reason
    except ValidationError as error:
        raise bad_parameter(error.errors(include_url=False, include_input=False, include_context=False)) from None


def _json(document: Any, status: HTTPStatus, **headers: str) -> Response:
    return Response(json.dumps(document, ensure_ascii=False).encode(), status, headers, "application/json")

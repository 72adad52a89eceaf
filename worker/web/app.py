"""The routes of the HTTP door and the control room, and what answers where there is none."""

import functools
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from shared import health, schemas
from shared.settings.web import WebSettings
from worker.web import counts, looking, reading, streaming, submitting
from worker.web.callback import PATH as CALLBACK
from worker.web.door import Door
from worker.web.models import BatchDocument, TakenDocument
from worker.web.problems import MEDIA_TYPE, Fault, Problem, bad_parameter
from worker.web.rooms import serving

API, VERSION = "settlepipe", "1"
SCHEMAS: Mapping[str, Any] = {"intent": schemas.intent, "event": schemas.event, "export": schemas.export}
_PROBED: dict[int | str, dict[str, Any]] = {
    200: {"model": dict[str, Any]},
    503: {"description": "No", "model": dict[str, Any]},
}
_FOUND: dict[int | str, dict[str, Any]] = {200: {"model": dict[str, Any]}}
_OPEN = APIRouter(tags=["documents"])
_GUARDED = (submitting.router, reading.router, streaming.router, looking.router)
_UNCOUNTED = ("/livez", "/readyz", f"/v1{streaming.PATH}")
_NOT_GUARDED = "no key is asked for"


def application(door: Door, callback: ASGIApp | None = None) -> FastAPI:
    """The app of one process. callback: takes reports of delivery; None: nobody does."""
    for chatty in ("uvicorn.error", "uvicorn.access"):  # it tells of requests, and with a traceback of their texts
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    app = FastAPI(title=API, version=VERSION, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.door = door
    app.include_router(_OPEN)
    documented = [Depends(HTTPBearer(auto_error=False, description="a key of your source: settlepipe keys create"))]
    for router in _GUARDED:
        app.include_router(router, prefix="/v1", dependencies=documented)
    if callback is not None:
        app.router.routes.append(Route(CALLBACK, callback))
    app.router.routes.extend(serving.routes(door))
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _bad_parameter)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _defect)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def served(door: Door, callback: ASGIApp | None = None) -> ASGIApp:
    """The app, limited, and with its requests counted."""
    app = application(door, callback)
    counts.streams_open(lambda: door.streams.open)
    return counts.counted(limited(door, app), templates(app), endless=f"/v1{streaming.PATH}")


def templates(app: FastAPI) -> Mapping[Any, str]:
    """Each endpoint's path, as it is written."""
    found = {route.endpoint: route.path for route in app.router.routes if isinstance(route, Route)}
    for prefix, router in (("", _OPEN), *(("/v1", one) for one in _GUARDED)):
        found |= {route.endpoint: prefix + route.path for route in router.routes if isinstance(route, APIRoute)}
    return found


def limited(door: Door, app: ASGIApp) -> ASGIApp:
    """The app for so many requests at once. Not counted: probes, and streams, which are counted by themselves."""

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UNCOUNTED:
            await app(scope, receive, send)
            return
        try:
            with door.under_way():
                await app(scope, receive, send)
        except Problem as problem:
            await problem.response()(scope, receive, send)

    return counted


@_OPEN.get("/livez", summary="Does its loop turn?", description=_NOT_GUARDED, responses=_PROBED)
async def livez() -> Response:
    return _probe(*health.live())


@_OPEN.get("/readyz", summary="Can it do its work?", description=_NOT_GUARDED, responses=_PROBED)
async def readyz() -> Response:
    return _probe(*health.ready())


@_OPEN.get("/openapi.json", summary="This document", description=_NOT_GUARDED, responses=_FOUND)
async def openapi(request: Request) -> Response:
    return _json(_written(request.app.openapi))


@_OPEN.get("/asyncapi.json", summary="AsyncAPI of the streams", description=_NOT_GUARDED, responses=_FOUND)
async def asyncapi(request: Request) -> Response:
    return _json(_written(schemas.asyncapi, request.app.state.door.key_prefix))


@_OPEN.get(
    "/schemas/{name}",
    summary="JSON Schema of an intent, an event, a row",
    description=_NOT_GUARDED,
    responses=_FOUND,
)
async def schema(name: str) -> Response:
    if name not in SCHEMAS:
        raise Problem(Fault.NOT_FOUND, f"there is a schema of {', '.join(SCHEMAS)}")
    return _json(_written(SCHEMAS[name]))


@functools.cache
def _written(make: Callable[..., Any], *given: str) -> str:
    """Made once: everybody may ask for it."""
    return json.dumps(make(*given), ensure_ascii=False, indent=2)


def _probe(good: bool, told: Mapping[str, object]) -> Response:
    return Response(json.dumps(told), 200 if good else 503, {"Cache-Control": "no-store"}, "application/json")


def _json(text: str) -> Response:
    return Response(text.encode(), media_type="application/json")


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - it is registered for that
    return error.response()


async def _defect(_: Request, __: Exception) -> Response:
    return Problem(Fault.DEFECT).response()


async def _bad_parameter(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for that
    return bad_parameter(error.errors(), outer=1).response()


async def _no_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for that
    response = Problem(Fault.BAD_METHOD if error.status_code == 405 else Fault.NOT_FOUND).response()
    response.headers.update(error.headers or {})
    return response


def document() -> dict[str, Any]:
    """The OpenAPI document, without a process that serves it."""
    return application(Door(WebSettings())).openapi()


def _document(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1. The bodies of intents are read as they are, so they are described here."""
    if app.openapi_schema is None:
        made = get_openapi(title=API, version=VERSION, openapi_version="3.1.0", routes=app.routes)
        parts: dict[str, Any] = made["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own; what is wrong here is a problem
            parts.pop(unused, None)
        parts |= schemas.components("Intent", schemas.intent()) | schemas.components("Envelope", schemas.event())
        for name, model in (("Taken", TakenDocument), ("BatchResult", BatchDocument)):
            parts |= _parts(name, model)
        for methods in made["paths"].values():
            for operation in methods.values():
                operation["responses"].pop("422", None)
                operation["responses"]["default"] = _PROBLEM
        app.openapi_schema = made
    return app.openapi_schema


_PROBLEM: Mapping[str, Any] = {
    "description": "A problem (RFC 9457)",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
}


def _parts(name: str, model: type[BaseModel]) -> dict[str, Any]:
    found = model.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    return {**found.pop("$defs", {}), name: found}

"""Routes that look something up at a provider: what an operator allows to a source, and nothing that changes anything.

No connection to PostgreSQL is held while the provider is asked (a log-in's token is read, and kept, in statements of
their own).
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from shared.providers.base import LoginRefused, LoginUnavailable, Lookup, LookupFailed
from shared.providers.parameters import typed
from shared.runtime import Runtime
from shared.settings import SettingsError
from worker.web.asked import TheCaller, TheDoor
from worker.web.models import LookedUpDocument, LookupsDocument
from worker.web.problems import Fault, Problem

router = APIRouter(tags=["lookups"])

LONGEST = 256  # characters of a parameter
_BUSY_S = 5
_Name = Path(pattern="^[a-z_]{1,64}$")


def must_be_there(runtime: Runtime) -> None:
    """Raises SettingsError for a look-up that is allowed to a source and that there is not, or that no source may have.
    One of a provider that is off is not asked about."""
    wrong = [
        f"{source}: {name}"
        for source, names in runtime.settings.web.lookups.items()
        for name in names
        if name.partition(".")[0] not in runtime.registrations
        or (name.partition(".")[0] in runtime.connected and name not in _all(runtime))
    ]
    if wrong:
        known = ", ".join(_all(runtime)) or "none: no provider is on"
        raise SettingsError(
            f"SETTLEPIPE_WEB__LOOKUPS allows what can't be allowed ({', '.join(wrong)}); there is {known}"
        )


def _all(runtime: Runtime) -> Mapping[str, Lookup]:
    """Those that a source may be allowed, by PROVIDER.NAME."""
    return {
        f"{provider}.{name}": lookup
        for provider, connected in runtime.connected.items()
        for name, lookup in connected.lookups.items()
        if lookup.upstreams
    }


def _allowed(runtime: Runtime, source: str) -> Mapping[str, Lookup]:
    allowed = runtime.settings.web.lookups.get(source, ())
    return {name: lookup for name, lookup in _all(runtime).items() if name in allowed}


@router.get("/lookups", summary="What may be looked up at providers", responses={200: {"model": LookupsDocument}})
async def lookups(door: TheDoor, caller: TheCaller) -> Response:
    offered = [
        {
            "path": f"/v1/lookups/{name.replace('.', '/')}",
            "help": lookup.help,
            "parameters": [
                {"name": key, "type": kind.__name__, "required": required, "help": said}
                for key, (kind, required, said) in lookup.parameters.items()
            ],
        }
        for name, lookup in _allowed(door.ready, caller.source).items()
    ]
    return _json({"lookups": offered})


@router.get(
    "/lookups/{provider}/{name}",
    summary="Look something up at a provider",
    description="Its parameters go into the query; GET /v1/lookups names them.",
    responses={200: {"model": LookedUpDocument}},
)
async def lookup(
    request: Request, provider: Annotated[str, _Name], name: Annotated[str, _Name], door: TheDoor, caller: TheCaller
) -> Response:
    found = _allowed(door.ready, caller.source).get(f"{provider}.{name}")
    if found is None:
        raise Problem(Fault.NOT_FOUND, "there is no such look-up for this source; GET /v1/lookups names those that are")
    given = arguments(found, request.query_params.multi_items())
    wait_s = door.lookup_rate.take(caller.source, 1)
    if wait_s is not None:
        raise Problem(Fault.TOO_FAST, "too many look-ups", retry_after_s=wait_s)

    def ask() -> Response:
        return _json({"answer": found.call(**given)})

    try:
        return await door.looks_up(ask)
    except LookupFailed as error:
        raise Problem(Fault.LOOKUP_FAILED, str(error)) from None
    except (LoginRefused, LoginUnavailable):
        raise Problem(Fault.PROVIDER_AWAY, retry_after_s=_BUSY_S) from None


def arguments(of: Lookup, given: list[tuple[str, str]]) -> dict[str, Any]:
    """The query as the look-up's typed parameters. Raises Problem with every mistake."""
    values: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for key, text in given:
        if key not in of.parameters or key in values:
            wrong.append((key[:64], "it is no parameter, or there twice"))
        elif len(text) > LONGEST or not text.isprintable() or text in (".", ".."):
            wrong.append((key, f"it must be a plain text of at most {LONGEST} characters"))
        else:
            try:
                values[key] = typed(of.parameters[key][0], text)
            except ValueError as error:
                wrong.append((key, f"it must be {error}"))
    told = {key for key, _ in wrong} | values.keys()
    wrong += [(key, "it is missing") for key, (_, required, _) in of.parameters.items() if required and key not in told]
    if wrong:
        mistakes = [{"code": "bad_field", "place": key, "detail": text} for key, text in wrong]
        raise Problem(Fault.BAD_PARAMETER, mistakes=mistakes)
    return values


def _json(document: Any) -> Response:
    text = json.dumps(document, ensure_ascii=False)
    return Response(text.encode("utf-8", "backslashreplace"), 200, {"Cache-Control": "no-store"}, "application/json")

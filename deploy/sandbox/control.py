"""`/control/…`: the sandbox's own interface, for tests and people. JSON in, JSON out."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import ValidationError

from deploy.sandbox.faults import KINDS, Faults
from deploy.sandbox.ledger import Ledger
from deploy.sandbox.wire import Provider

_ROWS_A_CHUNK = 500


class Control:
    """Answers the control requests. reset: everything as if just started (the providers' tokens stay valid)."""

    def __init__(
        self, providers: Mapping[str, Provider], ledger: Ledger, faults: Faults, reset: Callable[[], None]
    ) -> None:
        self._providers = providers
        self._ledger = ledger
        self._faults = faults
        self._reset = reset
        self._routes: Mapping[tuple[str, str], Callable[[bytes], Any]] = {
            ("GET", ""): lambda _: {
                "providers": sorted(providers),
                "requests": ledger.requests,
                "open": {name: ledger.open[name] for name in providers},
            },
            ("GET", "faults/kinds"): lambda _: KINDS,
            ("GET", "faults"): lambda _: {"faults": faults.described()},
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("POST", "reset"): self._start_again,
        }

    async def answer(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """One control request. 400 says what is wrong, 404 what there is."""
        path, _, written = request.raw_path.partition("?")
        query = dict(parse_qsl(written))
        route = (request.method, path.removeprefix("/control/").rstrip("/"))
        try:
            if route == ("GET", "ledger"):
                return await _stream(request, query, *self._ledger_rows(query))
            if route == ("GET", "requests"):
                rows = ((None, row) for row in self._ledger.log(query.get("reference"), query.get("operation")))
                return await _stream(request, query, '{"requests":[', rows, "]}")
            return _json(self._simple(*route, body))
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()]
            return _json({"detail": "; ".join(problems)}, 400)
        except ValueError as error:
            return _json({"detail": str(error)}, 400)
        except LookupError:
            return _json({"detail": f"{request.method} {path} is nothing; see deploy/sandbox/README.md"}, 404)

    def _ledger_rows(self, query: dict[str, str]) -> tuple[str, Iterator[tuple[str | None, Any]], str]:
        if query.get("by") == "reference":
            return "{", self._ledger.by_reference(), "}"
        if "by" in query:
            raise ValueError("by must be reference")
        start = f'{{"requests":{self._ledger.requests},"applied":['
        return start, ((None, row) for row in self._ledger.applied()), "]}"

    def _simple(self, method: str, what: str, body: bytes) -> Any:
        provider, _, rest = what.partition("/")
        if method == "POST" and provider in self._providers:
            return self._providers[provider].control(rest, _parsed(body))
        if method == "DELETE" and provider == "faults" and rest.isdigit():
            self._faults.remove(int(rest))
            return {"faults": self._faults.described()}
        return self._routes[method, what](body)

    def _add_faults(self, body: bytes) -> Any:
        data = _parsed(body)
        if not isinstance(data, list):
            return self._faults.add(data).described()
        return [self._faults.add(one).described() for one in data]

    def _clear_faults(self, body: bytes) -> Any:
        self._faults.clear()
        return {"faults": []}

    def _start_again(self, body: bytes) -> Any:
        self._reset()
        return {"reset": True}


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except RecursionError as error:
        raise ValueError("the body is nested too deeply") from error


def _json(data: Any, status: int = 200) -> web.Response:
    return web.json_response(data, status=status, dumps=lambda value: json.dumps(value, ensure_ascii=False))


async def _stream(
    request: web.BaseRequest,
    query: dict[str, str],
    start: str,
    rows: Iterator[tuple[str | None, Any]],
    end: str,
) -> web.StreamResponse:
    """Rows as one JSON value, or a line each with `format=jsonl`; never all of them in memory at once."""
    lines = query.get("format", "json") == "jsonl"
    if not lines and query.get("format", "json") != "json":
        raise ValueError("format must be json or jsonl")
    response = web.StreamResponse()
    response.content_type = "application/jsonl" if lines else "application/json"
    await response.prepare(request)
    if not lines:
        await response.write(start.encode())
    async for chunk in _chunks(rows, lines):
        await response.write(chunk)
        await asyncio.sleep(0)  # a write that needs not wait would let nobody else run
    if not lines:
        await response.write(end.encode())
    await response.write_eof()
    return response


async def _chunks(rows: Iterator[tuple[str | None, Any]], lines: bool) -> AsyncIterator[bytes]:
    """A row with a key is a member of an object; as a line, it carries the key as its `reference`."""
    pending: list[str] = []
    separator = "\n" if lines else ","
    first = True
    for key, row in rows:
        if key is None:
            pending.append(json.dumps(row, ensure_ascii=False))
        elif lines:
            pending.append(json.dumps({"reference": key, "operations": row}, ensure_ascii=False))
        else:
            pending.append(f"{json.dumps(key)}:{json.dumps(row, ensure_ascii=False)}")
        if len(pending) == _ROWS_A_CHUNK:
            yield (("" if first or lines else ",") + separator.join(pending) + ("\n" if lines else "")).encode()
            first = False
            pending = []
    if pending:
        yield (("" if first or lines else ",") + separator.join(pending) + ("\n" if lines else "")).encode()

"""The HTTP server: finds the provider and the operation, lets a fault strike, writes everything down.

All of it runs in one thread, and a provider applies a request in one go: what the ledger says is what happened.
"""

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from deploy.sandbox.billcenter import Billcenter
from deploy.sandbox.bmms import Bmms
from deploy.sandbox.control import Control
from deploy.sandbox.effects import EFFECTS, Struck
from deploy.sandbox.faults import Faults
from deploy.sandbox.invoicepayment import Invoicepayment
from deploy.sandbox.ledger import Ledger, LedgerFull, LoggedRequest
from deploy.sandbox.mtn import Mtn
from deploy.sandbox.ubill import Ubill
from deploy.sandbox.wire import OwnErrors, Provider, Raw, Reply, Seen, detail, head

MAX_LATE = 100_000  # requests that wait to be applied late

PROVIDERS: tuple[Callable[[Ledger], Provider], ...] = (Billcenter, Ubill, Mtn, Invoicepayment, Bmms)


class _Connections(web.Server):
    """aiohttp's server that also tells who waits on a connection that it is lost.

    aiohttp could cancel the handler instead, but a provider goes on with a request when its client is gone.
    """

    def __init__(self, handler: Callable[[web.BaseRequest], Any]) -> None:
        super().__init__(handler, access_log=None)
        self._waiting: dict[RequestHandler, asyncio.Future[None]] = {}

    def lost(self, connection: RequestHandler) -> asyncio.Future[None]:
        """Done when this connection is lost."""
        future = self._waiting.get(connection)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            if connection.transport is None:
                future.set_result(None)
            else:
                self._waiting[connection] = future
        return future

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        future = self._waiting.pop(handler, None)
        if future is not None and not future.done():
            future.set_result(None)


class Sandbox:
    """All providers behind one port; `factory` is what asyncio's create_server takes."""

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._providers: dict[str, Provider] = {}
        for make in PROVIDERS:
            provider = make(self._ledger)
            self._providers[provider.name] = provider
        self._faults = Faults({name: provider.operations for name, provider in self._providers.items()})
        self._control = Control(self._providers, self._ledger, self._faults, self._reset)
        self._late: set[asyncio.TimerHandle] = set()
        self._epoch = 0  # counts resets: what was under way before one is not applied after it
        self.factory = _Connections(self._answer)

    def _reset(self) -> None:
        self._epoch += 1
        for timer in self._late:
            timer.cancel()
        self._late.clear()
        self._faults.clear()
        self._ledger.reset()
        for provider in self._providers.values():
            provider.reset()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        _, prefix, rest = f"{request.raw_path}/".split("/", 2)
        if prefix == "control":
            return await self._control.answer(request, body)
        provider = self._providers.get(prefix)
        if provider is None:
            return _sent(detail(404, f"no provider has the prefix /{prefix}"))
        self._ledger.open[provider.name] += 1
        try:
            return await self._ask(provider, request, self._seen(request, rest[:-1], body))
        finally:
            self._ledger.open[provider.name] -= 1

    def _seen(self, request: web.BaseRequest, rest: str, body: bytes) -> Seen:
        path, _, query = rest.partition("?")
        data = None
        if body:
            with contextlib.suppress(ValueError, RecursionError):
                data = json.loads(body)
        self._ledger.requests += 1
        return Seen(
            self._ledger.requests,
            time.time(),
            request.method,
            f"/{path}",
            query,
            request.headers,
            body,
            hashlib.sha256(body).hexdigest(),
            data if isinstance(data, dict) else None,
        )

    async def _ask(self, provider: Provider, request: web.BaseRequest, seen: Seen) -> web.StreamResponse:
        epoch = self._epoch
        operation = provider.find(seen)
        reference = provider.reference(operation, seen) if operation else ""
        row, record = self._ledger.saw(
            provider.name, operation, reference, seen, secret=operation in provider.secret_operations
        )
        transport = request.transport
        if not isinstance(transport, asyncio.Transport):
            return Raw(None)  # the client went before its request was looked at
        if provider.latency_s:
            await asyncio.sleep(provider.latency_s)
        if operation is None:
            return self._end(row, request, detail(404, "Not found."))
        refusal = provider.admit(operation, seen)
        if refusal is not None:
            return self._end(row, request, refusal)
        record.chances += 1
        fault = self._faults.pick(provider.name, operation, reference, record.chances)
        if fault is None:
            return self._end(row, request, self._apply(epoch, provider, operation, seen))
        row.fault = fault.spec.fault
        struck = Struck(
            transport=transport,
            delay_s=fault.spec.delay_s,
            apply=lambda: self._apply(epoch, provider, operation, seen),
            later=self._later,
            revoke=lambda: provider.revoke(seen),
            duplicate=lambda: provider.duplicate(reference),
            refuse=provider.refusal,
            error=partial(provider.error, seen) if isinstance(provider, OwnErrors) else detail,
            gone=self.factory.lost(request.protocol),
        )
        return self._end(row, request, await EFFECTS[row.fault](struck))

    def _end(self, row: LoggedRequest, request: web.BaseRequest, reply: Reply | None) -> Raw:
        if reply is None or request.transport is None:
            return Raw(None)
        row.status = reply.status
        return _sent(reply)

    def _apply(self, epoch: int, provider: Provider, operation: str, seen: Seen) -> Reply:
        if epoch != self._epoch:
            return detail(503, "the sandbox was reset while this request was under way")
        try:
            return provider.apply(operation, seen)
        except LedgerFull:
            return detail(503, "the sandbox's ledger is full; POST /control/reset")

    def _later(self, delay_s: float, do: Callable[[], Reply]) -> None:
        if len(self._late) >= MAX_LATE:
            raise LedgerFull

        def run() -> None:
            self._late.discard(timer)
            do()

        timer = asyncio.get_running_loop().call_later(delay_s, run)
        self._late.add(timer)


def _sent(reply: Reply) -> Raw:
    return Raw(head(reply) + reply.body)

"""What each kind of fault does on the wire."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from deploy.sandbox.faults import MAX_DELAY_S
from deploy.sandbox.wire import HTML, JSON, Reply, as_json, head

BIG_BODY_BYTES = 64 * 1024**2
_CHUNK = b"x" * 65536
_BAD_TOKEN = "Given token not valid for any token type"  # noqa: S105 - what is said of one
_PAGE = b"<html><head><title>%d</title></head><body><h1>%s</h1><hr>nginx</body></html>"


@dataclass(frozen=True, slots=True)
class Struck:
    """A request that a fault strikes, with all that an effect may do to it.

    apply: what the provider would do and answer. later: do something after that many seconds, client or not.
    error: that status in the provider's words. gone: done when the client's connection is lost.
    """

    transport: asyncio.Transport
    delay_s: float | None
    apply: Callable[[], Reply]
    later: Callable[[float, Callable[[], Reply]], None]
    revoke: Callable[[], None]
    duplicate: Callable[[], Reply]
    refuse: Callable[[], Reply]
    error: Callable[[int, str], Reply]
    gone: asyncio.Future[None]


# A Reply is sent as it is. None: the effect wrote what there is to write, the connection is closed.
Outcome = Reply | None
Effect = Callable[[Struck], Awaitable[Outcome]]


def _instead(reply: Reply) -> Effect:
    """Not applied, this answer."""

    async def effect(struck: Struck) -> Outcome:
        return reply

    return effect


def _error(status: int, text: str) -> Effect:
    """Not applied, this status in the provider's words."""

    async def effect(struck: Struck) -> Outcome:
        return struck.error(status, text)

    return effect


def _after(answer: Callable[[Struck, Reply], Awaitable[Outcome]]) -> Effect:
    """Applied, then `answer` gets the true reply; what the provider refuses stays refused."""

    async def effect(struck: Struck) -> Outcome:
        reply = struck.apply()
        return reply if reply.refused or reply.status != 200 else await answer(struck, reply)

    return effect


def _then(change: Callable[[Reply], Reply]) -> Effect:
    """Applied, with another answer."""

    async def answer(struck: Struck, reply: Reply) -> Outcome:
        return change(reply)

    return _after(answer)


async def _server_error(struck: Struck, reply: Reply) -> Outcome:
    return struck.error(500, "Server error")


def _page(status: int, title: bytes) -> Reply:
    return Reply(status, _PAGE % (status, title), HTML)


def _retry_after(status: int, text: str) -> Effect:
    async def effect(struck: Struck) -> Outcome:
        extra = b"" if struck.delay_s is None else b"Retry-After: %d\r\n" % round(struck.delay_s)
        return replace(struck.error(status, text), extra=extra)

    return effect


async def _hang(struck: Struck, reply: Reply | None = None) -> Outcome:
    await asyncio.wait([struck.gone], timeout=MAX_DELAY_S if struck.delay_s is None else struck.delay_s)
    return None


async def _reset(struck: Struck, reply: Reply | None = None) -> Outcome:
    # A linger time of zero makes close() send RST and drop what is still to be sent.
    if struck.gone.done():
        return None
    sock: socket.socket = struck.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    struck.transport.abort()
    return None


async def _close(struck: Struck, reply: Reply) -> Outcome:
    return None


async def _truncated(struck: Struck, reply: Reply) -> Outcome:
    whole = reply if len(reply.body) > 1 else as_json({"detail": "cut"})
    struck.transport.write(head(whole) + whole.body[: len(whole.body) // 2])
    return None


def _drip(with_head: bool) -> Callable[[Struck, Reply], Awaitable[Outcome]]:
    async def answer(struck: Struck, reply: Reply) -> Outcome:
        whole = reply if reply.body else as_json({"detail": "drop by drop"})
        payload = whole.body
        if with_head:
            payload = head(whole) + payload
        else:
            struck.transport.write(head(whole))
        for byte in payload:
            struck.transport.write(bytes((byte,)))
            await asyncio.wait([struck.gone], timeout=1.0 if struck.delay_s is None else struck.delay_s)
            if struck.gone.done():
                break
        return None

    return answer


async def _big_body(struck: Struck, reply: Reply) -> Outcome:
    start, end = b'{"padding":"', b'"}'
    chunks = BIG_BODY_BYTES // len(_CHUNK)
    length = len(start) + chunks * len(_CHUNK) + len(end)
    struck.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (JSON, length))
    struck.transport.write(start)
    for _ in range(chunks):
        struck.transport.write(_CHUNK)
        while struck.transport.get_write_buffer_size() > 4 * len(_CHUNK) and not struck.gone.done():
            await asyncio.wait([struck.gone], timeout=0.002)
        if struck.gone.done():
            return None
    struck.transport.write(end)
    return None


async def _revoked(struck: Struck) -> Outcome:
    struck.revoke()
    return struck.error(401, _BAD_TOKEN)


async def _duplicate(struck: Struck) -> Outcome:
    return struck.duplicate()


async def _refuse(struck: Struck) -> Outcome:
    return struck.refuse()


async def _late(struck: Struck) -> Outcome:
    struck.later(1.0 if struck.delay_s is None else struck.delay_s, struck.apply)
    return struck.error(500, "Server error")


async def _slow(struck: Struck) -> Outcome:
    # Not cut short when the client goes: a provider does not notice that either.
    await asyncio.sleep(1.0 if struck.delay_s is None else struck.delay_s)
    return struck.apply()


EFFECTS: Mapping[str, Effect] = {
    "error_500_before": _error(500, "Server error"),
    "error_500_after": _after(_server_error),
    "error_502": _instead(_page(502, b"Bad Gateway")),
    "error_503": _retry_after(503, "Service temporarily unavailable"),
    "error_504_after": _then(lambda _: _page(504, b"Gateway Time-out")),
    "error_429": _retry_after(429, "Request was throttled"),
    "error_401": _error(401, _BAD_TOKEN),
    "error_403": _error(403, "You do not have permission to perform this action"),
    "error_404": _error(404, "Not found"),
    "revoked_token": _revoked,
    "refuse_400": _error(400, "The biller does not accept this payment"),
    "refuse_400_without_detail": _instead(as_json({}, 400)),
    "refuse": _refuse,
    "duplicate_400": _duplicate,
    "redirect_302": _instead(Reply(302, b"", HTML, b"Location: /redirected/\r\n")),
    "hang_before": _hang,
    "hang_after": _after(_hang),
    "reset_before": _reset,
    "reset_after": _after(_reset),
    "close_after": _after(_close),
    "truncated_200": _after(_truncated),
    "not_json_200": _then(lambda _: _page(200, b"Welcome")),
    "empty_200": _then(lambda _: Reply(200)),
    "wrong_content_type": _then(lambda reply: Reply(200, reply.body or b"{}", b"text/plain")),
    "big_body": _after(_big_body),
    "drip": _after(_drip(with_head=False)),
    "drip_headers": _after(_drip(with_head=True)),
    "applied_late": _late,
    "slow": _slow,
}

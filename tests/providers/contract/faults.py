"""What goes wrong on the wire after a request has come, whatever was asked for."""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.support.raw_server import Connection, answer, then

Fault = Callable[[Connection], object]

HTML = b"<html><body>502 Bad Gateway</body></html>"
BOMB = gzip.compress(b"x" * 10_000_000)


def answered(status: int, body: bytes = b"", *headers: str) -> Fault:
    return lambda connection: connection.send(answer(status, body, *headers))


def sent(data: bytes) -> Fault:
    return lambda connection: connection.send(data)


PATIENCE_S = 0.5  # the total time-out of a call that gets no answer
# No answer comes in time. These end with the caller's patience.
HANGING: Mapping[str, Fault] = {
    "time-out": lambda c: c.hang(),
    "dripped headers": lambda c: c.drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500, 0.01),
    "dripped body": then(sent(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"), lambda c: c.drip(b" " * 500, 0.01)),
}
# No whole answer comes, or none that can be read.
BROKEN: Mapping[str, Fault] = {
    **HANGING,
    "reset": lambda c: c.reset(),
    "reset in the body": then(sent(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), Connection.reset),
    "closed without an answer": lambda c: None,
    "cut in the headers": sent(b"HTTP/1.1 200 OK\r\n"),
    "cut in the body": sent(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
    "cut in a chunk": sent(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"),
    "not HTTP": sent(b"220 ready\r\n\r\n"),
    "endless body": then(sent(b"HTTP/1.1 200 OK\r\n\r\n"), *[sent(b"x" * 65_536)] * 10_000),
    "announced too large": sent(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n"),
    "gzip bomb": answered(200, BOMB, "Content-Encoding: gzip"),
    "cut gzip": answered(200, gzip.compress(b"{}" * 99)[:-9], "Content-Encoding: gzip"),
    "an encoding nobody asked for": answered(200, b"{}", "Content-Encoding: br"),
}


def patience_s(name: str) -> float:
    """The total time-out of a call that meets this fault: short only where nothing but a time-out ends it."""
    return PATIENCE_S if name in HANGING else 10


# A 200 whose body no document describes. All are in UTF-8 and shorter than the limit unless they say otherwise.
GARBAGE: Mapping[str, bytes] = {
    "blank": b" \r\n",
    "HTML": HTML,
    "truncated JSON": b'{"id": 1, "am',
    "two JSON values": b"{} {}",
    "a list": b"[]",
    "a text": b'"ok"',
    "a number": b"7",
    "null": b"null",
    "true": b"true",
    "a list of lists": b"[[[]]]",
    "deep JSON": b"[" * 50_000,
    "deep JSON in an object": b'{"data":' * 10_000 + b"{}" + b"}" * 10_000,
    "a huge number": b"[" + b"9" * 50_000 + b"]",
    "a huge exponent": b"[1e99999999999999999999]",
    "no number": b"[NaN]",
    "NUL": b"\x00",
    "NUL in JSON": b'["\\u0000"]',
    "half a surrogate pair": b'["\\ud800"]',
    "not UTF-8": b'["\xff\xfe\xfa"]',
    "a byte order mark": b"\xef\xbb\xbf[]",
    "a mark without text": b"\xef\xbb\xbf",
}
STATUSES = (400, 401, 403, 404, 405, 408, 429, 500, 502, 503, 504, 520, 524, 599)
UNLISTED = (201, 204, 206, 302, 418, 451)

# Values that stand where a document has a text or a number.
HOSTILE: Mapping[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "a number": b"7",
    "a negative zero": b"-0.0",
    "a huge number": b"9" * 50_000,
    "a huge exponent": b"1e99999999999999999999",
    "a large exponent": b"1e999999",
    "an empty text": b'""',
    "a long text": b'"' + b"x" * 90_000 + b'"',
    "NUL": b'"\\u0000"',
    "half a surrogate pair": b'"\\udfff"',
    "not UTF-8": b'"\xff"',
    "a list": b"[]",
    "an object": b"{}",
    "deep": b"[" * 20_000 + b"]" * 20_000,
}


def spoilings(body: bytes) -> Iterator[bytes]:
    """The JSON document with each of its values in turn replaced by each hostile one."""
    if not body:
        return
    mark = "the one that is replaced"
    for spoilt in _replaced(json.loads(body), mark):
        before, _, after = json.dumps(spoilt).encode().partition(json.dumps(mark).encode())
        yield from (before + value + after for value in HOSTILE.values())


def _replaced(value: Any, mark: str) -> Iterator[Any]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        for spoilt in (mark, *_replaced(item, mark)):
            changed = dict(value) if isinstance(value, dict) else list(value)
            changed[key] = spoilt
            yield changed

"""httptools' parser, which goes on where somebody offers to speak another protocol: that is answered in this one.

Java's client offers HTTP/2 with its requests. httptools stops there, without the body that belongs to the request, and
takes nothing more; so the request's head is given to it once more, without the offer.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import httptools

_OF_OFFER = (b"upgrade", b"http2-settings")


class Asked(Protocol):
    """Who is told of what is parsed, and keeps a request's line and headers."""

    url: bytes
    headers: list[tuple[bytes, bytes]]


class Parser:
    """What is told to `asked` of a request with an offer, up to its headers' end, is told twice: the first time
    `should_upgrade` is true."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._inner = httptools.HttpRequestParser(asked)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def feed_data(self, data: bytes) -> None:
        """Read these bytes. Raises httptools.HttpParserError."""
        while data:
            try:
                self._inner.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offer:
                data = data[offer.args[0] :]
            self._begin_again()

    def _begin_again(self) -> None:
        method, version = self._inner.get_method(), self._inner.get_http_version()
        if method == b"CONNECT":
            raise httptools.HttpParserError("this is no proxy")
        line = b"%s %s HTTP/%s" % (method, self._asked.url, version.encode())
        self._inner = httptools.HttpRequestParser(self._asked)
        self._inner.feed_data(b"\r\n".join([line, *_without_offer(self._asked.headers), b"", b""]))


def _without_offer(headers: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    for name, value in headers:
        if name == b"connection":
            words = [word for word in value.split(b",") if word.strip().lower() not in _OF_OFFER]
            yield b"connection: " + b",".join(words)
        elif name not in _OF_OFFER:
            yield name + b": " + value

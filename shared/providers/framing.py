"""Where an answer begins and ends, read so that no two readers could disagree.

By RFC 9112, and a fault wherever it leaves a choice: a server, a proxy and this client that see different ends of one
answer take the rest of it for the next one. Reads from a buffered stream; knows nothing of sockets.
"""

import re
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from io import BufferedReader

_MAX_LINE_BYTES = 65_536
_MAX_HEAD_BYTES = 262_144  # of an answer and all that comes before it
_MAX_FIELDS = 100
_MAX_INTERIM = 50
_MAX_CHUNK_LINE_BYTES = 1024
_PIECE_BYTES = 65_536

_TEXT = rb"[\t\x20-\x7e\x80-\xff]*"
_STATUS = re.compile(rb"\AHTTP/1\.([01]) ([1-9][0-9]{2})(?: (" + _TEXT + rb"))?\r\n")
_FIELD = re.compile(rb"\A([!#$%&'*+.^_`|~0-9A-Za-z-]+):(" + _TEXT + rb")\r\n")
_LENGTH = re.compile(r"[0-9]{1,15}", re.ASCII)
_CHUNK = re.compile(rb"\A([0-9A-Fa-f]{1,15})(?:[\t ]*;" + _TEXT + rb")?\r\n")
_FRAMING = frozenset({"content-length", "transfer-encoding", "content-encoding"})


class Malformed(HTTPException):
    """Not HTTP, or HTTP whose end two readers could see in two places."""


@dataclass(frozen=True, slots=True)
class Head:
    """A final answer's head. length: of the body; None where it is chunked or ends with the connection.

    ends: the connection can't be used after it, whatever is read from its body.
    """

    minor_version: int
    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    length: int | None
    chunked: bool
    ends: bool


def read_head(stream: BufferedReader) -> Head:
    """The head of the final answer: interim ones (1xx) are passed over.

    Raises RemoteDisconnected where nothing came, IncompleteRead where it is cut, Malformed for all that is in doubt.
    """
    lines = _Lines(stream, _MAX_HEAD_BYTES)
    for _ in range(_MAX_INTERIM + 1):
        head = _head(lines)
        if head.status >= 200:
            return head
        if head.status == 101:
            raise Malformed("it changes the protocol, which was not asked for")
    raise Malformed("too many interim answers")


class Body:
    """A body, piece by piece. done: all of it was read, and what follows in the stream is not part of it."""

    def __init__(self, stream: BufferedReader, head: Head) -> None:
        self._stream, self._chunked = stream, head.chunked
        self._left = 0 if head.chunked else head.length  # of the chunk or body; None: until the connection ends
        self._begun = False
        self._blank = True
        self.done = head.length == 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at its end alone. Raises IncompleteRead where it is cut, Malformed."""
        if self.done:
            return b""
        if self._left is None:
            return self._until_end(size)
        if self._chunked and self._left == 0 and not self._next_chunk():
            return b""
        piece = self._stream.read(min(size, self._left))
        if not piece:
            raise IncompleteRead(b"", self._left)
        self._left -= len(piece)
        self.done = self._left == 0 and not self._chunked
        return piece

    def _until_end(self, size: int) -> bytes:
        piece = self._stream.read(size)
        self._blank &= not piece.strip()
        if not piece and self._blank:
            raise IncompleteRead(b"")  # nothing says that an empty body is all there was
        self.done = not piece
        return piece

    def _next_chunk(self) -> bool:
        lines = _Lines(self._stream, _MAX_HEAD_BYTES)
        if self._begun and lines.next() != b"\r\n":
            raise Malformed("a chunk is longer than it says")
        self._begun = True
        match = _CHUNK.fullmatch(lines.next(_MAX_CHUNK_LINE_BYTES))
        if match is None:
            raise Malformed("the size of a chunk can't be read")
        self._left = int(match[1], 16)
        if self._left == 0:
            if any(name.lower() in _FRAMING for name, _ in _fields(lines)):
                raise Malformed("the frame of a body stands behind it")
            self.done = True
        return not self.done


class _Lines:
    """Whole lines from a stream, within a limit for all of them together."""

    def __init__(self, stream: BufferedReader, limit: int) -> None:
        self._stream, self._left = stream, limit

    def next(self, limit: int = _MAX_LINE_BYTES) -> bytes:
        limit = min(limit, self._left)
        line = self._stream.readline(limit + 1)
        if len(line) > limit:
            raise Malformed("a line, or a head, is too long")
        if not line.endswith(b"\n"):
            raise IncompleteRead(line)
        self._left -= len(line)
        return line

    def first(self) -> bytes:
        if not self._stream.peek(1):
            raise RemoteDisconnected("the connection was closed without an answer")
        return self.next()


def _head(lines: _Lines) -> Head:
    line = lines.first()
    match = _STATUS.fullmatch(line)
    if match is None:
        raise Malformed("it does not begin as an answer does")
    minor_version, status = int(match[1]), int(match[2])
    fields = _fields(lines)
    length, chunked = _frame(minor_version, status, fields)
    return Head(
        minor_version=minor_version,
        status=status,
        reason=(match[3] or b"").decode("latin-1").strip(),
        fields=fields,
        length=length,
        chunked=chunked,
        ends=(length is None and not chunked) or minor_version == 0 or not _may_stay(status, fields),
    )


def _fields(lines: _Lines) -> tuple[tuple[str, str], ...]:
    fields: list[tuple[str, str]] = []
    while (line := lines.next()) != b"\r\n":
        match = _FIELD.fullmatch(line)
        if match is None or len(fields) == _MAX_FIELDS:
            raise Malformed("a header can't be read, or there are too many")
        fields.append((match[1].decode("ascii"), match[2].decode("latin-1").strip(" \t")))
    return tuple(fields)


def _frame(minor_version: int, status: int, fields: tuple[tuple[str, str], ...]) -> tuple[int | None, bool]:
    """The body's length, and whether it comes in chunks."""
    lengths = [value for name, value in fields if name.lower() == "content-length"]
    codings = [value.lower() for name, value in fields if name.lower() == "transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise Malformed("the body's end is told twice")
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise Malformed("the body's length can't be read")
    if codings and (codings[0] != "chunked" or minor_version == 0):
        raise Malformed("the body's end is not told by chunks alone")
    length = int(lengths[0]) if lengths else None
    if status < 200 or status in (204, 304):
        if length or codings:
            raise Malformed("an answer that has no body announces one")
        length = 0
    return length, bool(codings)


def _may_stay(status: int, fields: tuple[tuple[str, str], ...]) -> bool:
    """May another request follow on the connection? Not where another answer to this one may: a gateway that gave up
    (408, 5xx) can still pass on what the server behind it says."""
    options = [
        option.strip().lower() for name, value in fields if name.lower() == "connection" for option in value.split(",")
    ]
    return (200 <= status <= 299 or 400 <= status <= 499) and status != 408 and "close" not in options

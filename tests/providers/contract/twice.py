"""Documented bodies as two readers could read them differently: names that stand twice, texts in other codes."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

_OTHER = '"another value"'


class Pairs(list[tuple[str, Any]]):
    """An object that remembers each of its names, also those that stand twice."""


def contradictions(body: bytes) -> Iterator[bytes]:
    """The body with one name of one object twice, with another value: before and behind, in other case and width."""
    document = json.loads(body, object_pairs_hook=Pairs, parse_float=str)
    for place in _objects(document):
        for index, (name, value) in enumerate(list(place)):
            for other in {name, name.upper(), name.swapcase(), _wide(name)}:
                for at in (index, len(place)):
                    changed = Pairs(place)
                    changed.insert(at, (other, _Raw(_OTHER)))
                    yield _written(document, place, changed).encode()
            if isinstance(value, Pairs | list):  # the same twice is not compared, however deep
                yield _written(document, place, Pairs([*place, (name, value)])).encode()


def repetitions(body: bytes) -> Iterator[bytes]:
    """The body with one name twice, beside the same text or number: any reader reads the same."""
    document = json.loads(body, object_pairs_hook=Pairs)
    for place in _objects(document):
        for name, value in list(place):
            if not isinstance(value, Pairs | list | float):
                yield _written(document, place, Pairs([*place, (name, value)])).encode()


def recoded(body: bytes) -> Iterator[tuple[bytes, str]]:
    """The body as some readers would read it and others not, with a header that says so."""
    for code in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"):
        if body.decode().encode(code) != body:
            yield body.decode().encode(code), "X: y"
    if body:
        yield body + b"{}", "X: y"
    yield body + b"\x00", "X: y"
    yield body + b"<!-- served by made-up -->", "X: y"
    yield b")]}'\n" + body, "X: y"
    yield body.replace(b'":', b'" /**/ :', 1) if b'":' in body else body + b"//", "X: y"
    whole = gzip.compress(body)
    for data in (
        gzip.compress(b"") + whole,
        whole + gzip.compress(b""),
        whole + gzip.compress(b"<html>log in</html>"),
        gzip.compress(b"<html>log in</html>") + whole,
        whole + b"\0",
        whole + b"trailing",
        whole[:-1],
        whole + whole[:-5],
        body,
    ):
        yield data, "Content-Encoding: gzip"
    yield gzip.compress(whole), "Content-Encoding: gzip, gzip"
    yield whole, "Content-Encoding: gzip\r\nContent-Encoding: gzip"
    yield whole, "Content-Encoding: identity\r\nContent-Encoding: gzip"
    yield body, "Content-Encoding: identity, identity"
    yield body, "Content-Encoding: deflate"
    yield body, "Content-Encoding:"


class _Raw:
    def __init__(self, text: str) -> None:
        self.text = text


def _wide(name: str) -> str:
    """In full-width letters: by NFKC the same name."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name)


def _objects(value: Any) -> Iterator[Pairs]:
    if isinstance(value, Pairs):
        yield value
        for _, inner in list(value):
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


def _written(value: Any, place: Pairs, changed: Pairs) -> str:
    if isinstance(value, _Raw):
        return value.text
    if isinstance(value, Pairs):
        pairs = changed if value is place else value
        return "{" + ",".join(f"{json.dumps(n)}:{_written(v, place, changed)}" for n, v in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_written(item, place, changed) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)

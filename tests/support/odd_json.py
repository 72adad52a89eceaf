"""JSON as nobody should write it: documents with one odd thing in them, byte for byte, and texts out of a grammar of
odd things. What makes a reader stumble has its place in ODD, and stays there."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

# Each stands where a value of a document stood; as it is written, not as a value.
ODD: tuple[bytes, ...] = (
    *(
        b"null",
        b"true",
        b"false",
        b"0",
        b"-0",
        b"0.0",
        b"1",
        b"-1",
        b'""',
        b'"0"',
        b'" "',
        b"[]",
        b"{}",
        b"[[]]",
        b"[null]",
    ),
    # numbers
    *(
        b"1e400",
        b"-1e400",
        b"1e-400",
        b"1E+99999999999999999999",
        b"1e-99999999999999999999",
        b"0e99999999999999999999",
    ),
    *(b"9" * 100, b"9" * 1001, b"9" * 4300, b"9" * 4301, b"0." + b"9" * 500, b"9" * 20 + b".5", b"9223372036854775808"),
    *(b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b"1.", b".5", b"0x10", b'"1e5"', b'"NaN"', b'"-0"', b'"1_0"'),
    # texts
    *(
        b'"\\u0000"',
        b'"\\ud800"',
        b'"\\udfff\\ud800"',
        b'"\\ud83d\\ude00"',
        b'"\xff"',
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
    ),
    *(
        b'"\n"',
        b'"\\n"',
        b'"\\u202e"',
        b'"\\u200b"',
        b'"\xef\xbb\xbf"',
        b'"\xd9\xa1\xd9\xa0"',
        b'"' + b"x" * 5000 + b'"',
    ),
    *(b'"=1+1"', b'"<script>"', b'"%s%n"', b'"\'; --"', b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59-14:00"'),
    *(b'"2026-02-30"', b'"2026-11-21T03:24:12"', b'"99999999999999999999-01-01"', b'"0000-00-00 00:00:00"'),
    # forms
    *(b"[" * 40 + b"]" * 40, b"[" * 300 + b"]" * 300, b'{"a":' * 300 + b"1" + b"}" * 300, b"[" * 900 + b"]" * 900),
    *(b"[" * 3000 + b"]" * 3000, b'{"a":' * 1500 + b"1" + b"}" * 1500, b'{"":{"":1}}'),
    *(b'{"a":1,"a":2}', b'{"a":1,"a":1}', b'{"a":1,"A":2}', b'{"\\u0000":1}', b'{"\\ud800":1}', b"", b"}", b",", b"//"),
)
WHOLE: tuple[bytes, ...] = (
    *(
        b"",
        b" ",
        b"\0",
        b"\xef\xbb\xbf{}",
        b"{",
        b"[",
        b'"',
        b"{}{}",
        b"{}\0",
        b"null",
        b"<html></html>",
        b"\xff\xfe{\0}\0",
    ),
    *(b"[" * 60_000, b"[" * 30_000 + b"]" * 30_000, b'{"a":' * 10_000, b'"' + b"\\u0000" * 5000 + b'"', b"9" * 60_000),
)


_MARK = "\ue000here\ue001"  # where the odd thing is to stand


def documents(*valid: bytes) -> st.SearchStrategy[bytes]:
    """One of these documents, as it is or with something odd: a value in it replaced, a name twice, its end or one byte
    of it wrong, all of it in a list; or something odd alone."""
    read = [json.loads(one) for one in valid if one.strip()]
    assert read
    whole = st.sampled_from(read).flatmap(_changed)
    broken = st.tuples(whole, st.integers(0, 2**16), st.binary(max_size=3)).map(_broken)
    return st.one_of(whole, whole, whole, broken, st.sampled_from((*WHOLE, *ODD)), st.binary(max_size=100))


def _changed(document: Any) -> st.SearchStrategy[bytes]:
    paths = list(_paths(document))
    odd = st.one_of(st.sampled_from(ODD), _scalars())
    once = st.tuples(st.sampled_from(paths), odd).map(lambda pair: _with(document, pair[0], pair[1]))
    named = [path for path in paths if path and isinstance(path[-1], str)]
    twice = (
        st.tuples(st.sampled_from(named), odd).map(lambda pair: _twice(document, pair[0], pair[1])) if named else once
    )
    gone = st.sampled_from(paths).map(lambda path: json.dumps(_without(document, path)).encode())
    return st.one_of(st.just(json.dumps(document).encode()), once, once, once, twice, gone)


def _scalars() -> st.SearchStrategy[bytes]:
    plain = st.one_of(st.integers(), st.floats(), st.text(max_size=30), st.lists(st.integers(0, 9), max_size=3))
    return plain.map(lambda value: json.dumps(value).encode())


def _broken(given: tuple[bytes, int, bytes]) -> bytes:
    body, place, other = given
    place %= len(body) + 1
    return body[:place] + other + (body[place + len(other) :] if other else b"")


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    items: Sequence[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for name, item in items:
        yield from _paths(item, (*path, name))


def _with(document: Any, path: Sequence[str | int], odd: bytes) -> bytes:
    """The document with these bytes in place of the value at `path`."""
    return json.dumps(_put(document, path, _MARK)).encode().replace(json.dumps(_MARK).encode(), odd)


def _twice(document: Any, path: Sequence[str | int], odd: bytes) -> bytes:
    """The name at `path` twice: with its own value, and with these bytes before it."""
    name = json.dumps(path[-1]).encode()
    value: Any = document
    for part in path:
        value = value[part]
    return _with(document, path, odd + b", " + name + b": " + json.dumps(value).encode())


def _put(value: Any, path: Sequence[str | int], new: Any) -> Any:
    if not path:
        return new
    first, *rest = path
    if isinstance(value, dict):
        return {name: _put(item, rest, new) if name == first else item for name, item in value.items()}
    return [_put(item, rest, new) if place == first else item for place, item in enumerate(value)]


def _without(value: Any, path: Sequence[str | int]) -> Any:
    if not path:
        return None
    first, *rest = path
    if isinstance(value, dict):
        kept = value if rest else {name: item for name, item in value.items() if name != first}
        return {name: _without(item, rest) if rest and name == first else item for name, item in kept.items()}
    if rest:
        return [_without(item, rest) if place == first else item for place, item in enumerate(value)]
    return [item for place, item in enumerate(value) if place != first]


def every_odd(valid: bytes) -> Iterator[bytes]:
    """The document with each odd thing in each place: what is always tried, by everyone who reads it."""
    document = json.loads(valid)
    yield from (*WHOLE, *ODD, valid)
    for path in _paths(document):
        for odd in ODD:
            yield _with(document, path, odd)
            if path and isinstance(path[-1], str):
                yield _twice(document, path, odd)

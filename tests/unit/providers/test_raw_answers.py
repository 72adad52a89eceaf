"""JSON as any two readers would read it, or a ValueError."""

from decimal import Decimal
from typing import Any

import pytest

from shared.providers.raw_answers import Contradiction, parse_json


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":0,"a":false}',
        '{"a":0,"a":0.0}',
        '{"a":0,"a":-0}',
        '{"a":1,"a":true}',
        '{"a":null,"a":0}',
        '{"a":"0","a":0}',
        '{"a":1,"a":2,"a":1}',
        '{"a":1,"b":{"c":[{"d":1,"d":2}]}}',
        '[[{"a":1,"a":2}]]',
        '{"a":[],"a":[]}',
        '{"a":{},"a":{}}',
        '{"a":1,"A":2}',
        '{"statusID":10,"statusid":0}',
        '{"a":1,"\\u0061":2}',
        '{"a":1,"\\uff41":2}',
        '{"\\u00e9":1,"e\\u0301":2}',
        '{"stra\\u00dfe":1,"STRASSE":2}',
        '{"k":1,"\\u212a":2}',
        '{"":1,"":2}',
    ],
)
def test_a_name_beside_two_values_is_a_contradiction(text: str) -> None:
    with pytest.raises(Contradiction):
        parse_json(text.encode())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":1,"a":1}', {"a": 1}),
        ('{"a":"x","a":"x","a":"x"}', {"a": "x"}),
        ('{"a":null,"a":null}', {"a": None}),
        ('{"a":1.0,"a":1.00}', {"a": Decimal("1.0")}),
        ('{"a":1,"A":1}', {"a": 1, "A": 1}),
        ('{"a":1,"b":1}', {"a": 1, "b": 1}),
        ('{"a":{"b":1},"c":{"b":2}}', {"a": {"b": 1}, "c": {"b": 2}}),
        ('[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
    ],
)
def test_a_name_beside_one_value_says_it_once(text: str, value: Any) -> None:
    assert parse_json(text.encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        b'{"a":"\xc0\x80"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a\\ud800":1}',
        b'{"b":[{"a\\udfff":1}]}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e401}',
        b'{"a":-1e-999999999}',
        b'{"a":1e99999999999999999999}',
        b"[" * 101 + b"]" * 101,
        b'{"a":' * 101 + b"1" + b"}" * 101,
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":1}\x00',
        b'{"a":1}\x0b',
        b'{"a":1}//',
        b'{"a":"\n"}',
        b'{"a":tru}',
        b"\xc2\xa0{}",
    ],
)
def test_what_some_readers_take_for_json_is_none(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_json(body)


@pytest.mark.parametrize("text", ["0.0", "-0", "0e0", "-0.0", "0E-5", "false", '"0"', "null"])
def test_only_an_integer_is_read_as_an_integer(text: str) -> None:
    value = parse_json(text.encode())
    assert not isinstance(value, int) or isinstance(value, bool)
    assert type(parse_json(b"0")) is int


def test_half_a_surrogate_pair_in_a_text_equals_nothing_of_ours_and_leaves_the_rest_readable() -> None:
    body = b'[{"a":"x\\ud800","b":["\\udfff","\\ud83d\\ude00","y"],"c":1}]'
    assert parse_json(body) == [{"a": "x\ufffd", "b": ["\ufffd", "\U0001f600", "y"], "c": 1}]

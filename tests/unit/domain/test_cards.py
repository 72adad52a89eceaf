"""Card data: found in every spelling, and never kept."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.cards import MARK, holds_card_data, is_card_key, is_redacted, names_card_data, redacted

NUMBER, CVV = "4000000000000002", "987"  # made up
SPELLINGS = [
    "cardNumber", "CardNumber", "cardnumber", "CARDNUMBER", "card_number", "card-number", "CARD_NUMBER", "card number",
    "Card.Number", "_cardNumber_", "c-a-r-d-number", "ｃａｒｄＮｕｍｂｅｒ", "card\u200bNumber",
    "card\nnumber", "c\tv\\v", "\U0001d41c\U0001d42f\U0001d42f", 'card"/number',
    "cvv", "CVV", "Cvv", "c_v_v", "C-V-V", " cvv ", "ｃｖｖ",
]  # fmt: skip
OTHERS = [
    "card",
    "number",
    "cards",
    "lastFourDigits",
    "cvv_checked",
    "cvvs",
    "discvv",
    "cardNumberMasked",
    "",
    "cv",
    "v",
]


def clean(raw: bytes) -> bytes:
    """Redacted, and neither number nor code is in it."""
    kept = redacted(raw)
    assert NUMBER.encode() not in kept.replace(b"\0", b"")
    assert CVV.encode() not in kept.replace(b"\0", b"")
    assert is_redacted(kept)
    assert redacted(kept) == kept, "kept bytes stay as they are"
    return kept


@pytest.mark.parametrize("key", SPELLINGS)
def test_every_spelling_is_found_and_redacted_at_any_depth(key: str) -> None:
    assert is_card_key(key)
    assert names_card_data(json.dumps({key: 1}).encode())
    for value in (NUMBER, int(NUMBER), [NUMBER], {"value": NUMBER}, CVV):
        for document in ({key: value}, {"target": {"a": [1, {"b": {key: value}}]}}, [{key: value}]):
            assert holds_card_data(document)
            for ascii_only in (True, False):
                kept = json.loads(clean(json.dumps(document, ensure_ascii=ascii_only).encode()))
                assert MARK in json.dumps(kept)
    kept = json.loads(clean(json.dumps({"amount": "100.25", key: NUMBER, "n": 7}).encode()))
    assert kept == {"amount": "100.25", key: MARK, "n": 7}, "all else is kept"


@pytest.mark.parametrize("key", OTHERS)
def test_other_keys_are_none_of_card_data(key: str) -> None:
    assert not is_card_key(key)
    assert not holds_card_data({key: {"a": [key]}})


@pytest.mark.parametrize(
    "key", [r"c\u0076v", r"\u0063\u0056\u0076", r"card\u004eumber", r"card\u005fnumber", r"\uff43vv"]
)
@pytest.mark.parametrize("form", ['{"%s": "%s"}', '{"a": [{"%s":"%s"}]}', '{"%s": "%s"', 'x{"%s": "%s"}', "%s=%s"])
def test_escapes_in_a_key_hide_nothing(key: str, form: str) -> None:
    clean((form % (key, NUMBER)).encode())


@pytest.mark.parametrize(
    "raw",
    [
        f'{{"cardNumber": "{NUMBER}"'.encode(),
        f'{{"cardNumber": "{NUMBER[:8]} {NUMBER[8:]}", }}'.encode(),
        f"cardNumber={NUMBER}&cvv={CVV}".encode(),
        f"intent={{'card_number': {NUMBER}}}\nextra=1".encode(),
        f'{{"cvv": "{CVV}"}}{{"cvv": "{CVV}"}}'.encode(),
        b'\xff{"cvv": "' + CVV.encode() + b'"}',
        b"\xff\xfe" + f'{{"cvv": "{CVV}", '.encode("utf-16-le"),
        f'{{"cvv": "{CVV}", '.encode("utf-16-be"),
        b"[" * 100_000 + f'{{"cvv": {CVV}}}'.encode(),
        f'{{"cvv": {CVV}, "n": {"9" * 5000}}}'.encode(),
        f'{{"CVV" : "{CVV}" '.encode(),
    ],
    ids=range(11),
)
def test_bytes_that_are_no_json_keep_no_digit(raw: bytes) -> None:
    kept = clean(raw)
    assert not any(character.isdigit() for character in kept.decode("utf-8", "replace"))


def test_digits_of_other_scripts_and_escaped_ones_are_digits() -> None:
    assert redacted('{"cvv": "٩٨٧"'.encode()).decode() == f'{{"cvv": "{MARK}"'
    assert b"0039" not in redacted(rb'{"cvv": "\u0039\u0038\u0037"')


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
def test_json_in_another_encoding_is_redacted_like_any(encoding: str) -> None:
    raw = json.dumps({"amount": "1.00", "cvv": CVV}).encode(encoding)
    assert json.loads(clean(raw)) == {"amount": "1.00", "cvv": MARK}


def test_a_key_that_stands_twice_leaves_neither_value() -> None:
    clean(f'{{"a": {{"cvv": "{CVV}"}}, "a": 1}}'.encode())
    clean(f'{{"a": "cvv {CVV}", "a": 1, "cvv": 2}}'.encode())
    clean(f'{{"cvv": "{CVV}", "cvv": "1", "a": {{"cvv": "{CVV}"}}, "a": 1, "cardNumber": 2}}'.encode())


@pytest.mark.parametrize(
    "document",
    [
        {"name": "cardNumber", "value": NUMBER},
        {"metadata": {"request": json.dumps({"cardNumber": NUMBER, "cvv": CVV})}},
        {"metadata": {"request": json.dumps(json.dumps({"c\u00advv": CVV}))}},
        {"note": f"cvv {CVV}"},
        ["cvv", int(CVV)],
        {f"cvv={CVV}": 1},
    ],
)
def test_a_text_that_names_card_data_takes_every_digit_with_it(document: Any) -> None:
    kept = clean(json.dumps(document).encode())
    assert not any(character.isdigit() for character in kept.decode())


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\xff\xfe", b"pay 100 please", b'{"amount": "100.00"}', b'{"amount": "100.00"', b'{"a": "abc", "vv": 12}',
        b'{"target": {"payment_method": {"details": {"bankCard": {"lastFourDigits": "0000"}}}}}',
        b'{"a": "[redacted]"}',
        '{"a":   "\\ud800", "б": 1.10}'.encode(),
    ],
)  # fmt: skip
def test_what_names_no_card_data_is_kept_byte_for_byte(raw: bytes) -> None:
    assert redacted(raw) is raw
    assert not is_redacted(raw)


def test_what_cannot_be_utf8_is_kept_as_its_escape() -> None:
    assert redacted(rb'{"cvv": "1", "a": "\ud800"}') == rb'{"cvv": "[redacted]", "a": "\ud800"}'


@given(
    st.sampled_from(SPELLINGS),
    st.recursive(st.text() | st.integers() | st.none(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)),
    st.integers(0, 3),
    st.booleans(),
)
def test_no_value_under_a_key_of_card_data_is_ever_kept(key: str, other: Any, depth: int, cut: bool) -> None:
    document: Any = {"o": other, key: NUMBER}
    for _ in range(depth):
        document = [{"x": document}]
    raw = json.dumps(document).encode()
    kept = redacted(raw[:-1] if cut else raw)
    assert NUMBER.encode() not in kept
    assert is_redacted(kept)


@given(st.text(st.sampled_from('cvCV_-\\"/\n\t\x00\x7f\u200bｃ\U0001d42f\ud800')), st.booleans())
def test_the_quick_look_never_misses_a_key(key: str, ascii_only: bool) -> None:
    raw = json.dumps({key: NUMBER}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert names_card_data(raw) or not is_card_key(key)
    assert NUMBER.encode() not in redacted(raw) or not is_card_key(key)


@given(st.binary(max_size=200))
def test_no_bytes_are_too_odd(raw: bytes) -> None:
    redacted(raw + b'"cvv": 1')
    redacted(raw)

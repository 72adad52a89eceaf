"""Intents: parsed strictly, and told apart by a digest over what they mean."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from shared.domain.intent import BadIntent, Intent, parse_intent


class Target(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    account: int
    note: str | None = None


SETTLE: dict[str, Any] = {
    "intent_id": "ord-1",
    "source": "shop",
    "provider": "p",
    "operation": "settle",
    "amount": "100.00",
    "currency": "MNT",
    "paid_at": "2026-11-21T03:24:12.133606Z",
    "target": {"account": 7},
}
REFUND = {k: v for k, v in SETTLE.items() if k != "target"} | {"operation": "refund", "refund_of": "ord-0"}


def parse(document: Any) -> Intent:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return parse_intent(raw, {"p": Target})


def test_a_whole_intent_is_normalised() -> None:
    extras = {"receipt": {"register": ""}, "notify": {"sms": "995500000000"}, "metadata": {"any": ["thing"]}}
    intent = parse(SETTLE | extras)
    assert (intent.amount_minor, intent.paid_at.isoformat()) == (10_000, "2026-11-21T03:24:12.133606+00:00")
    assert intent.receipt == {"register": "", "email": ""}
    assert parse(REFUND).refund_of == "ord-0"


@pytest.mark.parametrize("key", sorted(SETTLE))
def test_nothing_that_is_needed_may_be_missing(key: str) -> None:
    with pytest.raises(BadIntent, match=key):
        parse({k: v for k, v in SETTLE.items() if k != key})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"extra": 1}, "extra"),
        ({"intent_id": "a b"}, "intent_id"),
        ({"intent_id": ""}, "intent_id"),
        ({"intent_id": "x" * 65}, "intent_id"),
        ({"intent_id": "x\n"}, "intent_id"),
        ({"source": "é"}, "source"),
        ({"source": 7}, "source"),
        ({"provider": "q"}, "provider is not one of p"),
        ({"operation": "reverse"}, "operation"),
        ({"amount": 100}, "amount"),
        ({"amount": "1.001"}, "3 decimal places, MNT has 2"),
        ({"amount": "0"}, "above zero"),
        ({"amount": "١٠"}, "amount must be digits"),
        ({"currency": "mnt"}, "currency"),
        ({"currency": "ZZZ"}, "not an ISO 4217 currency"),
        ({"paid_at": "2026-11-21T03:24:12"}, "RFC 3339 with an offset"),
        ({"paid_at": "2026-11-21 03:24:12Z"}, "RFC 3339"),
        ({"paid_at": "2026-02-30T03:24:12Z"}, "not a time that exists"),
        ({"paid_at": "0001-01-01T00:00:00+01:00"}, "not a time that exists"),
        ({"paid_at": "2026-11-21T03:24:12+24:00"}, "not a time that exists"),
        ({"target": {"account": "7"}}, "target.account"),
        ({"target": {"account": 7, "x": 1}}, "target.x"),
        ({"target": []}, "target"),
        ({"refund_of": "ord-0"}, "a settle has a target and no refund_of"),
        ({"operation": "refund"}, "a refund names its settle in refund_of and has no target"),
        ({"operation": "refund", "refund_of": "ord-0"}, "has no target"),
        ({"notify": {"sms": "+995"}}, "notify.sms"),
        ({"receipt": {"email": "nobody"}}, "receipt.email"),
        ({"receipt": {"other": ""}}, "receipt.other"),
        ({"metadata": []}, "metadata"),
    ],
)
def test_a_bad_intent_has_its_reason_and_its_subject_where_that_can_be_read(
    change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadIntent, match=reason) as caught:
        parse(SETTLE | change)
    expected = None if change.keys() & {"intent_id", "source"} else "shop/ord-1"
    assert caught.value.subject == expected


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"nul", "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        (b'{"a": 1, "a": 1}', "a key twice"),
        (b'{"metadata": {"a": 1, "a": 2}}', "a key twice"),
        (b'{"a": NaN}', "NaN or Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"metadata": {"a": "x\\u0000y"}}', "NUL"),
        (b'{"metadata": {"a\\u0000": 1}}', "NUL"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "nested too deeply"),
        (b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "limit"),
        (b'{"a": "' + b"x" * 65_536 + b'"}', "the limit is 65536"),
    ],
    ids=range(16),
)
def test_what_is_no_intent_at_all_has_its_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(BadIntent, match=reason) as caught:
        parse(raw)
    assert caught.value.subject is None


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(repr).map(str.encode))
def test_nothing_but_bad_intent_is_ever_raised(raw: bytes) -> None:
    with pytest.raises(BadIntent):
        parse(raw)


@pytest.mark.parametrize("key", ["cardNumber", "CARD_NUMBER", "card-number", "cvv", "CVV"])
@pytest.mark.parametrize(
    "place",
    [
        lambda card: {"target": {"account": 7, **card}},
        lambda card: {"target": {"account": 7, "payment_method": {"details": {"bankCard": card}}}},
        lambda card: {"target": {"account": 7, "a": [{"b": [card]}]}},
        lambda card: {"metadata": {"a": [card]}},
        lambda card: card,
    ],
)
def test_card_data_is_rejected_wherever_it_stands(key: str, place: Any) -> None:
    with pytest.raises(BadIntent, match="leave cardNumber and cvv out") as caught:
        parse(SETTLE | place({key: "4000000000000002"}))
    assert caught.value.subject == "shop/ord-1"
    assert "4000" not in caught.value.reason


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("9" * 16, "amount is too large: it has 16 digits before the point, the limit is 15"),
        ("1" + "0" * 30_000 + ".00", "amount is too large"),
        ("1." + "0" * 100, "amount has 100 decimal places, MNT has 2"),
        ("9" * 15 + ".99", None),
    ],
)
def test_an_amount_above_the_limit_has_a_reason_of_its_own(amount: str, reason: str | None) -> None:
    if reason is None:
        assert parse(SETTLE | {"amount": amount}).amount_minor == 10**17 - 1
    else:
        with pytest.raises(BadIntent, match=f"^{reason}"):
            parse(SETTLE | {"amount": amount})


def test_every_mistake_is_named() -> None:
    wrong = {"amount": "1.001", "paid_at": "yesterday", "target": {"account": "7", "note": "a\u200b"}}
    with pytest.raises(BadIntent) as caught:
        parse(SETTLE | wrong)
    for part in ("3 decimal places", "RFC 3339", "target.account: ", "target.note: it holds"):
        assert part in caught.value.reason
    with pytest.raises(BadIntent, match="provider is not one of p; amount must be above zero"):
        parse(SETTLE | {"provider": "q", "amount": "0"})


def test_a_number_is_not_read_beyond_its_limit() -> None:
    with pytest.raises(BadIntent, match="a number of 4301 digits, the limit is 1000"):
        parse(b'{"a": ' + b"9" * 4301 + b"}")


def test_no_reason_holds_a_value_of_the_intent() -> None:
    with pytest.raises(BadIntent) as caught:
        parse(SETTLE | {"notify": {"sms": "5550001-secret"}, "amount": 5})
    assert "secret" not in caught.value.reason


@pytest.mark.parametrize(
    "same",
    [
        {"amount": "100"},
        {"amount": "100.0"},
        {"paid_at": "2026-11-21T03:24:12.133606+00:00"},
        {"paid_at": "2026-11-21t07:24:12.133606+04:00"},
        {"receipt": None, "notify": None, "metadata": None},
    ],
)
def test_what_means_the_same_has_the_same_digest(same: dict[str, Any]) -> None:
    assert parse(SETTLE | same).digest == parse(SETTLE).digest


def test_the_order_of_keys_does_not_tell_intents_apart() -> None:
    one = SETTLE | {"metadata": {"a": 1, "b": {"c": 2, "d": 3}}}
    two = dict(reversed((SETTLE | {"metadata": {"b": {"d": 3, "c": 2}, "a": 1}}).items()))
    assert parse(one).digest == parse(two).digest


@pytest.mark.parametrize(
    "other",
    [
        {"intent_id": "ord-2"},
        {"source": "shop2"},
        {"amount": "100.01"},
        {"currency": "GEL"},
        {"paid_at": "2026-11-21T03:24:12.133607Z"},
        {"target": {"account": 8}},
        {"metadata": {}},
        {"metadata": {"a": 1}},
        {"receipt": {}},
        {"notify": {"sms": "995500000000"}},
    ],
)
def test_what_means_something_else_has_another_digest(other: dict[str, Any]) -> None:
    assert parse(SETTLE | other).digest != parse(SETTLE).digest


def test_each_mistake_has_its_code_and_its_place_also_where_the_form_is_wrong() -> None:
    wrong = {"amount": "1.001", "paid_at": 7, "colour": "red", "target": {"account": "7", "note": "a\u200b"}}
    with pytest.raises(BadIntent) as caught:
        parse(SETTLE | wrong)
    assert [(str(one.code), one.place) for one in caught.value.mistakes] == [
        ("bad_field", "paid_at"),
        ("unknown_field", "colour"),
        ("too_precise", "amount"),
        ("bad_field", "target.note"),
        ("bad_field", "target.account"),
    ]
    assert caught.value.reason == "; ".join(one.text for one in caught.value.mistakes)


def test_what_rests_on_a_field_that_cannot_be_read_is_not_judged() -> None:
    with pytest.raises(BadIntent) as caught:
        parse({"operation": "refund"})
    assert {one.place for one in caught.value.mistakes} == SETTLE.keys() - {"operation", "target"} | {"refund_of"}


def test_what_is_no_intent_at_all_has_one_mistake_of_the_whole() -> None:
    with pytest.raises(BadIntent) as caught:
        parse(b"[]")
    assert [(str(one.code), one.place) for one in caught.value.mistakes] == [("not_json", "")]

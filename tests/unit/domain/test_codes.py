"""Every code has its words, and each mistake in an intent has the code of what is wrong."""

import json
import re
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from deploy import docs
from shared.domain.codes import Code
from shared.domain.intent import BadIntent, parse_intent
from shared.domain.payment import HoldReason
from tests.unit.deploy.test_docs import PACKAGES

SOURCE = "\n".join(
    path.read_text("utf-8")
    for package in PACKAGES
    for pattern in ("*.py", "*.sql")
    for path in sorted((docs.ROOT / package).rglob(pattern))
    if path.name != "codes.py" and "migrations" not in path.parts and path.name != "schema.sql"
)


class Target(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    account: str


GOOD: dict[str, Any] = {
    "intent_id": "i1",
    "source": "shop",
    "provider": "acme",
    "operation": "settle",
    "amount": "10.00",
    "currency": "MNT",
    "paid_at": "2026-11-21T03:24:12Z",
    "target": {"account": "1"},
}


@pytest.mark.parametrize("code", Code)
def test_a_code_is_its_members_name_and_says_what_it_means_and_what_to_do(code: Code) -> None:
    assert code.value == code.name.lower()
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code.value)
    for text in (code.meaning, code.action):
        assert text[0].isupper() or text[0] == "`"
        assert text.endswith(".")
        assert "|" not in text


@pytest.mark.parametrize("code", Code)
def test_a_code_is_given_somewhere(code: Code) -> None:
    by_name = code.value in list(HoldReason) or f"Code.{code.name}" in SOURCE or f"'{code.value}'" in SOURCE
    assert by_name


def test_what_holds_a_payment_is_a_code() -> None:
    assert set(HoldReason) <= {code.value for code in Code}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": "10.001"}, Code.TOO_PRECISE),
        ({"amount": "0.00"}, Code.BAD_AMOUNT),
        ({"amount": "ten"}, Code.BAD_AMOUNT),
        ({"amount": "1" * 16}, Code.BAD_AMOUNT),
        ({"amount": 10}, Code.BAD_FIELD),
        ({"currency": "XXX"}, Code.UNKNOWN_CURRENCY),
        ({"currency": "tugrik"}, Code.BAD_FIELD),
        ({"paid_at": "yesterday"}, Code.BAD_TIME),
        ({"paid_at": "2026-02-30T03:24:12Z"}, Code.BAD_TIME),
        ({"provider": "mars"}, Code.UNKNOWN_PROVIDER),
        ({"target": None}, Code.BAD_FIELD),
        ({"target": {}}, Code.MISSING_FIELD),
        ({"target": {"account": "1", "x": 1}}, Code.UNKNOWN_FIELD),
        ({"target": {"account": " 1"}}, Code.BAD_FIELD),
        ({"operation": "refund"}, Code.BAD_FIELD),
        ({"colour": "red"}, Code.UNKNOWN_FIELD),
        ({"source": None}, Code.BAD_FIELD),
        ({"cvv": "123"}, Code.CARD_DATA),
        ({"metadata": {"long": "x" * 70_000}}, Code.TOO_LARGE),
        ({"provider": "mars", "amount": "10.001"}, Code.UNKNOWN_PROVIDER),
    ],
)
def test_a_mistake_has_its_code(changes: dict[str, Any], code: Code) -> None:
    with pytest.raises(BadIntent) as caught:
        parse_intent(json.dumps(GOOD | changes).encode(), {"acme": Target})
    assert caught.value.code is code


@pytest.mark.parametrize("raw", [b"\xff", b"[]", b"{", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"[" * 50_000])
def test_what_is_no_object_has_one_code(raw: bytes) -> None:
    with pytest.raises(BadIntent) as caught:
        parse_intent(raw, {"acme": Target})
    assert caught.value.code is Code.NOT_JSON


def test_a_field_that_is_missing_is_told_as_that() -> None:
    with pytest.raises(BadIntent) as caught:
        parse_intent(json.dumps({k: v for k, v in GOOD.items() if k != "amount"}).encode(), {"acme": Target})
    assert caught.value.code is Code.MISSING_FIELD

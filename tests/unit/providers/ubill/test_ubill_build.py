"""ubill's requests: the bytes, the sum, what is refused before anything is sent; and sums as the lists write them."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from shared.domain.payment import Payment
from shared.domain.request import Request
from shared.providers.base import LoginRefused, Provider
from shared.providers.registry import connect
from shared.providers.ubill.bodies import Target, minor
from shared.settings import Settings
from shared.settings.sections import UbillSettings
from tests.support.memory import SETTLE, MemoryDirectory, MemoryTokens

PAYMENT = replace(SETTLE, provider="ubill", currency="GEL", target={"account_id": 900001}, sent_reference="k3x9")


def provider(**changes: Any) -> Provider:
    section = UbillSettings(**{"base_url": "http://127.0.0.1:1", "api_key": SecretStr("made-up-key"), **changes})
    connected = connect("ubill", Settings(ubill=section), MemoryTokens())
    assert connected.provider is not None
    return connected.provider


def build(payment: Payment = PAYMENT, **changes: Any) -> Request:
    built = provider(**changes).build(payment, MemoryDirectory())
    assert isinstance(built, Request), built
    return built


def test_a_payment_is_these_very_bytes() -> None:
    assert build() == Request(
        "/payments/add",
        b'{"accountID":900001,"sum":100.00,"comment":"k3x9","paySystem":"WEB"}',
        exclusive_key=None,
        books_key="ubill:900001",
    )


@pytest.mark.parametrize(
    ("amount_minor", "expected"),
    [(1, b"0.01"), (10, b"0.10"), (30, b"0.30"), (100, b"1.00"), (12_345_678_901_234_567, b"123456789012345.67")],
)
def test_the_sum_is_a_json_number_written_from_the_decimal(amount_minor: int, expected: bytes) -> None:
    """Trap: a float would write 123456789012345.67 as …345.67 or …345.66, whichever it holds."""
    body = build(replace(PAYMENT, amount_minor=amount_minor)).body
    assert b'"sum":' + expected + b"," in body
    assert json.loads(body, parse_float=Decimal)["sum"] == Decimal(amount_minor) / 100


def test_texts_are_escaped() -> None:
    built = build(pay_system='ვ"\\')
    assert json.loads(built.body)["paySystem"] == 'ვ"\\'
    assert built.body.isascii()


@pytest.mark.parametrize("value", [0, -1, "900001", True, 1.0, None, 2**53 + 1, [900001]])
def test_an_account_that_is_not_a_number_above_zero_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        Target.model_validate({"account_id": value})


def test_a_target_with_more_in_it_or_without_an_account_is_refused() -> None:
    for target in ({}, {"account_id": 900001, "comment": "x"}):
        with pytest.raises(ValidationError):
            Target.model_validate(target)


def test_the_key_goes_into_its_header_and_into_nothing_that_is_shown() -> None:
    auth = provider().authorise()
    assert dict(auth.headers) == {"key": "made-up-key"}
    assert "made-up-key" not in repr(auth)


@pytest.mark.parametrize("key", ["", "made-up\nkey", "გასაღები"])
def test_a_key_that_cannot_be_sent_stops_the_lane_before_anything_is_sent(key: str) -> None:
    with pytest.raises(LoginRefused, match="SETTLEPIPE_UBILL__API_KEY"):
        provider(api_key=SecretStr(key)).authorise()


def test_a_401_says_that_the_key_itself_is_wrong() -> None:
    assert provider().forget(provider().authorise())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 100),
        ("1.00", 100),
        ("0.1", 10),
        ("-10", -1000),
        ("-10.00", -1000),
        ("20.000", 2000),
        ("0", 0),
        ("123456789012345.67", 12_345_678_901_234_567),
    ],
)
def test_sums_are_read_as_either_list_writes_them(text: str, expected: int) -> None:
    assert minor(text) == expected


@pytest.mark.parametrize(
    "text", [None, "", "x", "1.005", "-0.7057142857142757", "1,00", "1e2", "1E+999999999", " 1", "+1", "١", "9" * 16]
)
def test_a_sum_that_cannot_be_read_exactly_is_none(text: str | None) -> None:
    assert minor(text) is None

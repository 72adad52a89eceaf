"""Money: whole minor units, text at the edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.money import format_amount, parse_amount, places

CURRENCIES = {"JPY": 0, "MNT": 2, "GEL": 2, "KWD": 3, "CLF": 4}


@pytest.mark.parametrize(("currency", "expected"), CURRENCIES.items())
def test_the_places_are_those_of_iso_4217(currency: str, expected: int) -> None:
    assert places(currency) == expected


@given(st.integers(1, 2**63 - 1), st.sampled_from(sorted(CURRENCIES)))
def test_an_amount_survives_being_written_and_read(amount_minor: int, currency: str) -> None:
    text = format_amount(amount_minor, currency)
    if len(text.partition(".")[0]) <= 15:
        assert parse_amount(text, currency) == amount_minor


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("100", "MNT", 10_000), ("100.00", "MNT", 10_000), ("0.5", "MNT", 50), ("1", "JPY", 1), ("1.5", "KWD", 1500)],
)
def test_missing_places_are_zeros(text: str, currency: str, minor: int) -> None:
    assert parse_amount(text, currency) == minor


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "0.00", "-1", "+1", "01", "1.", ".5", "1e2", "1,00", " 1", "1 ", "1\n", "1_0", "NaN"),
        *("١", "１", "1.٠", "1.001", "1000000000000000", "1.0.0"),
    ],
)
def test_what_is_no_amount_of_mnt_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        parse_amount(text, "MNT")


def test_a_currency_without_places_takes_none() -> None:
    with pytest.raises(ValueError, match="JPY has 0"):
        parse_amount("1.0", "JPY")


def test_an_amount_that_bigint_can_not_hold_is_too_large() -> None:
    assert parse_amount("922337203685477.5807", "CLF") == 2**63 - 1
    with pytest.raises(ValueError, match="too large"):
        parse_amount("922337203685477.5808", "CLF")


@pytest.mark.parametrize("code", ["XXX", "XAU", "ZZZ", "mnt", ""])
def test_what_money_is_not_counted_in_is_no_currency(code: str) -> None:
    with pytest.raises(ValueError, match="currency"):
        parse_amount("1", code)


@pytest.mark.parametrize(("minor", "text"), [(-5, "-0.05"), (0, "0.00"), (5, "0.05"), (123_456, "1234.56")])
def test_amounts_are_written_with_all_places(minor: int, text: str) -> None:
    assert format_amount(minor, "MNT") == text

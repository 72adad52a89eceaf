"""Money: whole minor units, text at the edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.money import format_amount, minor_units, parse_amount, places

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


@given(st.integers(-(2**80), 2**80), st.sampled_from(sorted(CURRENCIES)), st.integers(0, 60))
def test_what_others_write_is_read_exactly(amount_minor: int, currency: str, zeros: int) -> None:
    text = format_amount(amount_minor, currency)
    whole, _, decimals = text.lstrip("-").partition(".")
    written = f"{text}{'' if decimals else '.'}{'0' * zeros}" if zeros else text
    assert minor_units(written, currency) == (amount_minor if len(whole) <= 15 else None)


@pytest.mark.parametrize("zeros", [0, 1, 12, 26, 27, 28, 29, 40, 300])
@pytest.mark.parametrize("currency", CURRENCIES)
def test_a_unit_beyond_the_currencys_places_is_never_rounded_away(currency: str, zeros: int) -> None:
    """A Decimal that is scaled keeps 28 digits: 29 decimals made a sum equal to another one."""
    beyond = "100." + "0" * places(currency) + "0" * zeros + "1"
    assert minor_units(beyond, currency) is None
    assert minor_units("99." + "9" * places(currency) + "9" * zeros + "9", currency) is None


@pytest.mark.parametrize(
    "text",
    ["", "-", "1.", ".5", "+1", "1e2", "1E+2", "1_000", "1,000", " 1", "1\n", "\u0661", "NaN", "Infinity", "0x1",
     "1" * 16, "--1", "1.-1", "1." + "0" * 5000],
)  # fmt: skip
def test_what_is_no_plain_amount_is_none(text: str) -> None:
    assert minor_units(text, "MNT") is None

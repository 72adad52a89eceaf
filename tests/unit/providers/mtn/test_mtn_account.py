"""mtn's list of payments: read in either form, and known for less than the whole where it is less."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.providers.mtn.account import AccountPayments, payments_of
from tests.support.mtn import EARLIER, OWN, bill, paid


def lines(*payments: Any) -> AccountPayments:
    return payments_of(bill(*payments), "ZAR")


def test_a_payment_is_a_line_with_its_marker_sum_day_and_mtns_id() -> None:
    (line,) = lines(paid(day="2026-11-20")).lines
    assert (line.marker, line.amount_minor, line.added, line.reference) == (OWN, 10_000, True, "P-1")
    assert line.at == datetime(2026, 11, 21, tzinfo=UTC), "the end of the day: it may have been its last second"


@pytest.mark.parametrize(
    "payment",
    [
        paid(OWN),
        paid(None, referenceId=OWN),
        paid(OWN, referenceId=OWN),
        paid(None, paymentRef={"referenceId": OWN}),
        paid(None, paymentRef=[{"referenceId": "SLIP-7"}, {"referenceId": OWN}]),
        paid(None, referenceId="SLIP-7", paymentRef=[{"referenceId": OWN}]),
        paid(None, referenceId=f" {OWN} ", paymentRef=None),
    ],
)
def test_the_reference_is_found_in_either_place_once(payment: dict[str, Any]) -> None:
    """Trap: PaymentRef requires a referenceId that it does not have; mtn may also add references of its own."""
    assert [line.marker for line in lines(payment).lines] == [OWN]


def test_a_payment_with_two_references_of_ours_stands_under_both() -> None:
    (one, other) = lines(paid(OWN, referenceId=EARLIER)).lines
    assert {one.marker, other.marker} == {OWN, EARLIER}


@pytest.mark.parametrize("references", [[], None, {}, [{}], [{"referenceId": None}], [{"referenceId": 7}], ["x"]])
def test_a_payment_without_a_reference_is_a_line_all_the_same(references: Any) -> None:
    (line,) = lines(paid(None, paymentRef=references)).lines
    assert (line.marker, line.amount_minor) == (None, 10_000)


def test_a_foreign_reference_is_kept_as_it_is() -> None:
    assert [line.marker for line in lines(paid("SLIP-7")).lines] == ["SLIP-7"]


@pytest.mark.parametrize(
    ("money", "minor"),
    [
        ({"amount": "100", "unit": "ZAR"}, 10_000), ({"amount": "100.0", "unit": "ZAR"}, 10_000),
        ({"amount": "100.0000", "unit": "ZAR"}, 10_000), ({"amount": 100, "unit": "ZAR"}, 10_000),
        ({"amount": Decimal("100.5"), "unit": "ZAR"}, 10_050), ({"amount": "-1.00", "unit": "ZAR"}, -100),
        ({"amount": "100.001", "unit": "ZAR"}, None), ({"amount": "1e2", "unit": "ZAR"}, None),
        ({"amount": "1,000.00", "unit": "ZAR"}, None), ({"amount": "", "unit": "ZAR"}, None),
        ({"amount": True, "unit": "ZAR"}, None), ({"amount": None, "unit": "ZAR"}, None),
        ({"amount": "100", "unit": "UGX"}, None), ({"amount": "100"}, None), ("100.00", None), (None, None),
        ({"amount": "9" * 40, "unit": "ZAR"}, None), ({"amount": "١٠", "unit": "ZAR"}, None),
    ],
)  # fmt: skip
def test_a_sum_is_read_exactly_or_not_at_all(money: Any, minor: int | None) -> None:
    assert lines(paid(paidAmount=money)).lines[0].amount_minor == minor


@pytest.mark.parametrize(
    ("day", "at"),
    [
        ("2026-11-20", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-20T23:00:00+02:00", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-12-31 08:00", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-02-30", None), ("20261120", None), ("20-11-2026", None), ("9999-12-31", None), ("", None),
        (None, None), (20261120, None),
    ],
)  # fmt: skip
def test_a_day_is_its_end_or_not_known(day: Any, at: datetime | None) -> None:
    assert lines(paid(transactionDate=day)).lines[0].at == at


ONE = {"payment": [paid()]}


@pytest.mark.parametrize(
    ("data", "count", "whole"),
    [
        (bill(paid(), paid(EARLIER)), 2, True),
        (bill(), 0, True),
        (bill(appliedPayment=None), 0, True),
        (bill(appliedPayment=[]), 0, True),
        (bill(appliedPayment={}), 0, True),
        (bill(appliedPayment=[ONE, ONE]), 2, True),
        (bill(appliedPayment={"payment": paid()}), 1, True),
        ([bill(paid())], 1, True),
        ([bill(paid()), bill(paid(EARLIER))], 2, True),
        ({"id": "700001"}, 0, False),
        ([bill(paid()), {"id": "700001"}], 1, False),
        (bill(appliedPayment={"id": "700001"}), 0, False),
        (bill(appliedPayment="none"), 0, False),
        (bill(appliedPayment=[ONE, 7]), 1, False),
        (bill(appliedPayment={"payment": "x"}), 0, False),
        (bill(paid(), "x"), 1, False),
        (bill(appliedPayment=ONE | {"totalPaidAmount": {"amount": "100", "unit": "ZAR"}}), 1, True),
        (bill(appliedPayment=ONE | {"totalPaidAmount": {"amount": "300.00", "unit": "ZAR"}}), 1, False),
        (bill(appliedPayment=ONE | {"totalPaidAmount": {"amount": "300.00", "unit": "UGX"}}), 1, True),
        ({}, 0, False),
        ([], 0, False),
        (None, 0, False),
        ("x", 0, False),
        (7, 0, False),
    ],
)
def test_objects_and_arrays_are_read_alike_and_gaps_are_noticed(data: Any, count: int, whole: bool) -> None:
    """Trap: `data` is an array in the list and an object by id. An answer that tells nothing of payments does not
    say that there are none."""
    found = payments_of(data, "ZAR")
    assert (len(found.lines), found.whole) == (count, whole)

"""invoicepayment's rows: three formats of date, amounts as text, and nothing dropped."""

import json
from decimal import Decimal
from typing import Any

import pytest

from shared.providers.invoicepayment.bills import bill, shown


@pytest.mark.parametrize(
    ("name", "came", "read"),
    [
        ("bill_term", "03/2031", "2031-03"),
        ("bill_term", "13/2031", "13/2031"),
        ("bill_term", "3/2031", "3/2031"),
        ("invoice_date", "20310410", "2031-04-10"),
        ("invoice_date", "20310431", "20310431"),
        ("invoice_date", "2031-04-10", "2031-04-10"),
        ("bill_due_date", "10-04-2031", "2031-04-10"),
        ("bill_due_date", "04-13-2031", "04-13-2031"),
        ("bill_due_date", None, None),
        ("bill_due_date", "", ""),
        ("bill_due_date", "00-00-0000", "00-00-0000"),
        ("partial_payment_allowed", "0", False),
        ("partial_payment_allowed", "1", True),
        ("partial_payment_allowed", "maybe", "maybe"),
        ("partial_payment_allowed", True, True),
        ("subscriber_name", "AY****YI**** ", "AY****YI****"),
        ("invoice_amount", "1168.25", "1168.25"),
        ("invoice_amount", Decimal("0.10"), "0.10"),
        ("invoice_amount", 7, "7"),
        ("expense_dealer_amount", None, None),
        ("unheard_of", {"a": [Decimal("1.10")]}, {"a": ["1.10"]}),
    ],
)
def test_what_can_be_read_is_and_the_rest_comes_as_it_is(name: str, came: Any, read: Any) -> None:
    found = bill({name: came})[name]
    assert (type(found), found) == (type(read), read)
    json.dumps(found)


def test_every_documented_name_is_there_even_where_it_did_not_come() -> None:
    assert bill({})["inv_payment_transaction_query_oid"] is None


def test_the_fees_are_shown_one_by_one() -> None:
    row = {"expense_amount": "0.10", "expense_firm_amount": "1.20", "expense_dealer_amount": "2.30"}
    [table] = shown([bill({**row, "invoice_amount": "100.00", "payment_order_no": "1"})])
    assert table.columns[4:8] == (">amount", ">expense", ">firm", ">dealer")
    assert table.rows[0][4:8] == ("100.00", "0.10", "1.20", "2.30")


def test_nothing_due_is_said() -> None:
    assert shown([])[0].title == "no invoices"

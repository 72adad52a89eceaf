"""An account's payments as they come, and as a check sees them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from shared.providers.markers import Line
from shared.providers.raw_answers import parse_json
from shared.providers.ubill.listing import Listed, listed

ZONE = timezone(timedelta(hours=4))
ROW = {
    "id": "71",
    "accountID": None,
    "balance": "-0.7057142857142757",
    "sum": "1",
    "comment": "k3x9",
    "transactionID": None,
    "paySystem": None,
    "apiStatus": "0",
    "typeID": "1",
    "typeName": "made up",
    "admin": "made up",
    "date": "2026-11-21 03:24:12",
}
LINE = Line("k3x9", 100, True, datetime(2026, 11, 20, 23, 24, 12, tzinfo=UTC), "71", "2026-11-21 03:24:12")


def document(*rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"statusID": 0, "message": "Success", "data": list(rows), **changes}


def lines(*rows: dict[str, Any], **changes: Any) -> list[Line]:
    found = listed(document(*rows, **changes), 900001, ZONE)
    assert found is not None
    return list(found.lines)


def test_a_row_becomes_a_line() -> None:
    """Trap: accountID is null, the balance carries float noise, the date has no zone."""
    assert listed(document(ROW), 900001, ZONE) == Listed([LINE], whole=True)


def test_an_account_without_payments_has_none() -> None:
    assert listed(document(), 900001, ZONE) == Listed([], whole=True)


@pytest.mark.parametrize(
    ("text", "amount_minor"),
    [
        ('"1"', 100), ('"1.00"', 100), ('"-10"', -1000), ("1", 100), ("1.0", 100), ("-10.00", -1000),
        ('"x"', None), ("null", None), ('""', None), ("0.005", None), ("1e399", None), ('"1 000"', None),
    ],
)  # fmt: skip
def test_a_sum_is_text_or_number_and_one_that_cannot_be_read_stays_in(text: str, amount_minor: int | None) -> None:
    given = parse_json(b'{"statusID": 0, "data": [{"sum": %s, "comment": "k3x9", "typeID": 1}]}' % text.encode())
    found = listed(given, 900001, ZONE)
    assert found is not None
    assert [line.amount_minor for line in found.lines] == [amount_minor]


@pytest.mark.parametrize(
    ("type_id", "added"),
    [("1", True), (1, True), ("2", False), ("5", False), (None, False), ("", False), ("11", False)],
)
def test_only_type_1_is_money_added(type_id: Any, added: bool) -> None:
    """Trap: 2 is a correction of either sign, 5 a transfer."""
    assert lines({**ROW, "typeID": type_id})[0].added is added


def test_a_comment_may_be_null_empty_or_missing() -> None:
    without = {name: value for name, value in ROW.items() if name != "comment"}
    assert [line.marker for line in lines({**ROW, "comment": None}, {**ROW, "comment": ""}, without)] == [
        None,
        "",
        None,
    ]


@pytest.mark.parametrize("text", [None, "", "2026-11-21", "2026-13-01 00:00:00", "0001-01-01 00:00:00", "x"])
def test_a_date_that_cannot_be_read_is_none_and_its_line_stays_in(text: str | None) -> None:
    assert lines({**ROW, "date": text}) == [Line("k3x9", 100, True, None, "71", text)]


@pytest.mark.parametrize(
    ("totals", "whole"),
    [
        ({}, True),
        ({"recordsTotal": 1, "recordsFiltered": 1}, True),
        ({"recordsTotal": "1"}, True),
        ({"recordsTotal": 2, "recordsFiltered": 1}, False),
        ({"recordsTotal": 1, "recordsFiltered": 2}, False),
        ({"recordsTotal": "2"}, False),
    ],
)
def test_totals_beyond_the_rows_show_that_the_list_is_not_whole(totals: dict[str, Any], whole: bool) -> None:
    found = listed(document(ROW, **totals), 900001, ZONE)
    assert found is not None
    assert found.whole is whole


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        "x",
        {},
        {"data": [ROW]},
        {"status": True, "data": [ROW]},  # trap: so says the list of all payments
        document(ROW, statusID=10),
        document(ROW, statusID="0"),
        document(ROW, statusID=False),
        document(ROW, statusID=None),
        document(data=None),
        document(data={}),
        document(data={"0": ROW}),
        {"statusID": 0, "message": "Success"},
        document(data=["x"]),
        document(data=[None]),
        document({**ROW, "sum": {}}),
        document({**ROW, "sum": True}),
        document({**ROW, "comment": 5}),
        document(ROW, recordsTotal="many"),
        document(ROW, {**ROW, "accountID": "900002"}),  # another account's
        document(ROW, {**ROW, "accountID": 900002}),
    ],
)
def test_what_is_not_as_documented_is_no_list(given: Any) -> None:
    assert listed(given, 900001, ZONE) is None


@pytest.mark.parametrize("account_id", ["900001", 900001])
def test_rows_may_name_the_account_that_was_asked_for(account_id: Any) -> None:
    assert len(lines({**ROW, "accountID": account_id})) == 1

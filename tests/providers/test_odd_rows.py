"""Rows of strangers in the providers' books that can't be read: counted, and no reason not to read the others."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from shared.domain.answers import Verdict
from shared.domain.records import UNREADABLE, BookLine
from shared.providers.base import BookPage, BooksUnread, Statement
from shared.providers.reading import reference_in
from tests.providers import test_billcenter_checks, test_mtn_checks, test_ubill_checks
from tests.providers.test_books import DAY, OURS, ago, books, invoice
from tests.support import billcenter, mtn, ubill
from tests.support.memory import SETTLE
from tests.support.raw_server import answer

NOTHING: Sequence[Any] = [None, "x", "", 7, True, [], [[]], {}]  # where a row should stand


def each(*odd: Any) -> Sequence[Any]:
    """These, of any type."""
    return odd


def raw(document: Any, *written: str) -> bytes:
    """A JSON answer in which each text `@0`, `@1`, … is replaced by what is written so."""
    text = json.dumps(document)
    for number, one in enumerate(written):
        assert f'"@{number}"' in text
        text = text.replace(f'"@{number}"', one)
    return answer(200, text.encode())


def split(lines: Sequence[BookLine]) -> tuple[list[int], int]:
    """The amounts that could be read, and how many rows could not."""
    odd = [line for line in lines if line.kind == UNREADABLE]
    return [line.amount_minor for line in lines if line.kind != UNREADABLE], len(odd)


# ubill

UBILL_ODD: Sequence[Any] = [
    *NOTHING,
    *(ubill.row("cash", amount) for amount in each(None, "", "much", {}, [], True, "1e3", 1e300, "9" * 16, "1.005")),
    *(ubill.row("cash", typeID=odd) for odd in each({}, [], True)),
    *(ubill.row(comment) for comment in each({}, [], 7, True)),
    {"id": "1"},
]
UBILL_FINE: Sequence[Any] = [
    ubill.row("cash", "1", balance={}, paySystem=7, typeName=[], admin={}, apiStatus=None, transactionID={}),
    ubill.row("cash", "1", date=5), ubill.row("cash", "1", date={}), ubill.row("cash", "1", id={}),
    ubill.row("cash", "1", typeID="77"), ubill.row("cash", 1), {"sum": "1"},
]  # fmt: skip


@pytest.mark.parametrize("odd", UBILL_ODD, ids=range(len(UBILL_ODD)))
def test_an_odd_row_in_an_account_of_ours_costs_the_others_nothing(odd: Any) -> None:
    with ubill.ubill({ubill.LIST: ubill.rows(ubill.row(OURS), odd, ubill.row("cash", "2"))}) as (connected, _, _):
        assert split(books(connected).account(str(ubill.ACCOUNT))) == ([10_000, 200], 1)


@pytest.mark.parametrize("row", UBILL_FINE, ids=range(len(UBILL_FINE)))
def test_what_is_not_used_of_a_row_may_be_anything(row: Any) -> None:
    with ubill.ubill({ubill.LIST: ubill.rows(ubill.row(OURS), row)}) as (connected, _, _):
        assert split(books(connected).account(str(ubill.ACCOUNT))) == ([10_000, 100], 0)


@pytest.mark.parametrize(
    "written",
    [
        '{"sum": "1", "sum": "2", "comment": "cash"}', '{"comment": "a", "comment": "b", "sum": "1"}',
        '{"sum": 1e999999, "comment": "cash"}', '{"sum": 1e99999999999999999999, "comment": "cash"}',
        '{"sum": NaN}', '{"sum": -Infinity}', f'{{"sum": {"9" * 5000}}}',
    ],
)  # fmt: skip
def test_what_json_itself_can_not_tell_is_odd_as_well(written: str) -> None:
    body = raw({"statusID": 0, "data": [ubill.row(OURS), "@0"]}, written)
    with ubill.ubill({ubill.LIST: body}) as (connected, _, _):
        assert split(books(connected).account(str(ubill.ACCOUNT))) == ([10_000], 1)


def test_a_key_that_stands_twice_with_the_same_value_is_no_contradiction() -> None:
    body = raw({"statusID": 0, "data": ["@0"]}, '{"sum": "1", "sum": "1"}')
    with ubill.ubill({ubill.LIST: body}) as (connected, _, _):
        assert split(books(connected).account(str(ubill.ACCOUNT))) == ([100], 0)


@pytest.mark.parametrize(
    "odd",
    [
        ubill.row(OURS, None), ubill.row(OURS, "1.005"), ubill.row(OURS, typeID={}), ubill.row({"text": OURS}),
        ubill.row(None, {}, admin=OURS), [OURS], OURS, f"paid ({OURS})", {OURS: 1}, {"a": [{"b": OURS}]},
    ],
)  # fmt: skip
def test_an_odd_row_with_a_reference_like_ours_leaves_its_account_unread(odd: Any) -> None:
    answered = {ubill.LIST: ubill.rows(ubill.row("cash"), odd)}
    with ubill.ubill(answered) as (connected, _, _), pytest.raises(BooksUnread):
        books(connected).account(str(ubill.ACCOUNT))


def test_our_reference_is_found_behind_a_key_that_stands_twice() -> None:
    body = raw({"statusID": 0, "data": ["@0"]}, f'{{"comment": "{OURS}", "comment": "x"}}')
    with ubill.ubill({ubill.LIST: body}) as (connected, _, _), pytest.raises(BooksUnread):
        books(connected).account(str(ubill.ACCOUNT))


def listing(statement: Statement, position: Mapping[str, Any] | None = None) -> BookPage:
    assert statement.listing is not None
    return statement.listing(DAY, position)


@pytest.mark.parametrize("odd", UBILL_ODD, ids=range(len(UBILL_ODD)))
def test_an_odd_row_in_the_list_of_all_costs_the_others_nothing(odd: Any) -> None:
    document = {"status": True, "data": [odd, ubill.row("cash", "2", accountID="7")], "recordsTotal": 2}
    with ubill.ubill({"/payments": ubill.reply(document)}) as (connected, _, _):
        assert split(listing(books(connected)).lines) == ([200], 1)


def test_a_row_of_the_list_that_names_no_account_that_can_be_read_is_odd() -> None:
    rows = [ubill.row("cash", accountID=odd) for odd in each({}, [], True)]
    with ubill.ubill({"/payments": ubill.reply({"status": True, "data": rows})}) as (connected, _, _):
        assert split(listing(books(connected)).lines) == ([], 3)


def test_an_odd_row_of_another_day_is_nothing_of_this_one() -> None:
    rows = [ubill.row("cash", None, date="2020-01-01 00:00:00"), ubill.row("cash", None)]
    with ubill.ubill({"/payments": ubill.reply({"status": True, "data": rows})}) as (connected, _, _):
        assert split(listing(books(connected)).lines) == ([], 1)


# mtn

MTN_ODD: Sequence[Any] = [
    *(odd for odd in NOTHING if odd not in ([], [[]])),
    [],
    *(mtn.paid("x", paidAmount=odd) for odd in each(None, 7, "7", [], {}, {"amount": "7"}, {"unit": "ZAR"})),
    *(mtn.paid("x", amount=odd) for odd in each(None, "", True, {}, "1.005", "1e3", 1e300, "9" * 16)),
    *(mtn.paid("x", paidAmount={"amount": "7", "unit": unit}) for unit in each("points", "", None, 7, {})),
]


def mtn_lines(applied: Any, *written: str) -> Sequence[BookLine]:
    document = {"resultCode": "0000", "resultDescription": "done", "data": {"appliedPayment": applied}}
    with mtn.mtn({"read": raw(document, *written)}) as (connected, _, _):
        return books(connected).account("2:700001")


@pytest.mark.parametrize("odd", MTN_ODD, ids=range(len(MTN_ODD)))
def test_an_odd_payment_at_mtn_costs_the_others_nothing(odd: Any) -> None:
    total = {"amount": "300", "unit": "ZAR"}
    applied = {"totalPaidAmount": total, "payment": [mtn.paid(), odd, mtn.paid("x", amount="2")]}
    assert split(mtn_lines(applied)) == ([10_000, 200], 1)


@pytest.mark.parametrize("odd", ["x", 7, True, [], {"id": "7"}, {"totalPaidAmount": {"amount": "7", "unit": "ZAR"}}])
def test_an_odd_group_of_payments_costs_the_others_nothing(odd: Any) -> None:
    assert split(mtn_lines([{"payment": [mtn.paid()]}, odd])) == ([10_000], 1)


def test_at_mtn_what_json_itself_can_not_tell_is_odd_as_well() -> None:
    odd = ['{"id": "1", "id": "2"}', '{"paidAmount": {"amount": 1e999999, "unit": "ZAR"}}']
    assert split(mtn_lines({"payment": [mtn.paid(), "@0", "@1"]}, *odd)) == ([10_000], 2)


@pytest.mark.parametrize("odd", [mtn.paid(paidAmount=None), mtn.paid("x", paidAmount=7, id=OURS), OURS, [OURS]])
def test_an_odd_payment_with_a_reference_like_ours_leaves_its_account_unread(odd: Any) -> None:
    with pytest.raises(BooksUnread):
        mtn_lines({"payment": [mtn.paid("x"), odd]})


# billcenter

BILLCENTER_ODD: Sequence[Any] = [
    *NOTHING,
    *(invoice(9, ago(1), amount_paid=odd) for odd in each(None, 7, 7.5, "", "much", {}, [], True, "1e3", "0.005")),
    *(invoice(9, ago(1), amount_paid=odd) for odd in ("9" * 16, "1." + "0" * 30 + "1")),
    *(invoice(9, ago(1), invoice_code=odd) for odd in each(None, {}, [], True)),
    invoice(9, ago(1), status={}),
    {"id": 7},
]
_UNUSED = ("amount", "amount_current", "deeplink", "due_date", "id")
BILLCENTER_FINE: Sequence[dict[str, Any]] = [
    *({name: odd} for name in _UNUSED for odd in each(7, None, {}, [])),
    *({"status": odd} for odd in (None, "SPLIT", "")), {"updated_at": None}, {"updated_at": 7}, {"updated_at": "x"},
    {"updated_at": "9999-12-31T23:59:59-14:00"}, {"biller_service": "x"}, {"bs_customer_code": {}},
]  # fmt: skip


@pytest.mark.parametrize("odd", BILLCENTER_ODD, ids=range(len(BILLCENTER_ODD)))
def test_an_odd_invoice_in_the_list_costs_the_others_nothing(odd: Any) -> None:
    page = billcenter.page(invoice(1, ago(1), amount_paid="1.00"), odd, invoice(2, ago(2), amount_paid="2.00"))
    with billcenter.billcenter({"invoices": page}) as (connected, _, _):
        found = listing(books(connected))
    assert (split(found.lines), found.position) == (([100, 200], 1), None)


@pytest.mark.parametrize("fine", BILLCENTER_FINE, ids=range(len(BILLCENTER_FINE)))
def test_what_is_not_used_of_an_invoice_may_be_anything(fine: dict[str, Any]) -> None:
    one = invoice(1, ago(1), amount_paid="1.00") | fine
    with billcenter.billcenter({"invoices": billcenter.page(one)}) as (connected, _, _):
        assert split(listing(books(connected)).lines) == ([100], 0)
        assert split(books(connected).account("i-1")) == ([100], 0)


def test_odd_rows_never_end_the_list_before_its_end() -> None:
    """A row whose date can't be read says nothing of what follows; a page of odd rows is as full as any."""
    pages = [
        billcenter.page(None, invoice(2, ago(30)), count=6),
        billcenter.page("x", 7, count=6),
        billcenter.page(invoice(5, ago(1)), invoice(6, ago(99)), count=6),
    ]
    with billcenter.billcenter({"invoices": lambda query: pages[int(query["page"]) - 1]}) as (connected, _, _):
        position: Mapping[str, Any] | None = None
        lines: list[BookLine] = []
        for _ in pages:
            found = listing(books(connected), position)
            lines, position = [*lines, *found.lines], found.position
    assert (split(lines), position) == (([0], 3), None)


@pytest.mark.parametrize(
    "rows",
    [
        *([billcenter.INVOICE, odd] for odd in each(None, "x", 7, [], {}, billcenter.INVOICE | {"invoice_code": {}})),
        *([billcenter.INVOICE | {"amount_paid": odd}] for odd in each(None, 7, {}, "much", "9" * 16)),
        [billcenter.INVOICE | {"status": {}}],
    ],
)
def test_an_invoice_of_ours_is_read_as_strictly_as_ever(rows: list[Any]) -> None:
    with billcenter.billcenter({"invoices": billcenter.page(*rows)}) as (connected, _, _), pytest.raises(BooksUnread):
        books(connected).account(billcenter.INVOICE["invoice_code"])


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (OURS, OURS), ({"a": [f"x {OURS}/1"]}, OURS), ({OURS: 1}, OURS), (OURS[:-1], None), (f"{OURS}0", None),
        (OURS.upper(), None), (None, None), (7, None), ([[["x"]]], None),
    ],
)  # fmt: skip
def test_a_reference_like_ours_is_found_wherever_it_stands(row: Any, found: str | None) -> None:
    assert reference_in(row) == found


# A check stays as strict as it was: what can't be read may be the payment that is looked for.


@pytest.mark.parametrize("odd", UBILL_ODD, ids=range(len(UBILL_ODD)))
def test_at_ubill_no_payment_is_not_applied_beside_an_odd_row(odd: Any) -> None:
    assert test_ubill_checks.check(ubill.rows(test_ubill_checks.EARLIER)).verdict is Verdict.NOT_APPLIED
    result = test_ubill_checks.check(ubill.rows(test_ubill_checks.EARLIER, odd))
    assert result.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("odd", MTN_ODD, ids=range(len(MTN_ODD)))
def test_at_mtn_no_payment_is_not_applied_beside_an_odd_row(odd: Any) -> None:
    assert test_mtn_checks.check(mtn.listed()).verdict is Verdict.NOT_APPLIED
    assert test_mtn_checks.check(mtn.listed(odd)).verdict is Verdict.INCONCLUSIVE
    among_others = {"resultCode": "0000", "data": {"appliedPayment": {"payment": [odd, mtn.paid("x", amount="2")]}}}
    assert test_mtn_checks.check(mtn.reply(among_others)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("odd", BILLCENTER_ODD, ids=range(len(BILLCENTER_ODD)))
def test_at_billcenter_no_payment_is_not_applied_beside_an_odd_row(odd: Any) -> None:
    ours = billcenter.INVOICE
    assert test_billcenter_checks.check(SETTLE, ours).verdict is Verdict.NOT_APPLIED
    for count in (1, 2):
        for rows in ([ours, odd], [odd, ours]):
            answered = billcenter.page(*rows, count=count)
            assert test_billcenter_checks.check(answered=answered).verdict is Verdict.INCONCLUSIVE
    mangled = [ours | odd] if isinstance(odd, dict) and odd.get("invoice_code") else [odd]
    assert test_billcenter_checks.check(answered=billcenter.page(*mangled)).verdict is Verdict.INCONCLUSIVE

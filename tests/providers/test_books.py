"""What a night's comparison reads of the providers' books, over real sockets, and when it does not trust them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.records import BookLine, Period
from shared.providers.base import BooksUnread, Connected, LoginRefused, Statement
from tests.support import billcenter, mtn, ubill
from tests.support.raw_server import answer

DAY = Period(datetime(2026, 11, 20, 20, tzinfo=UTC), datetime(2026, 11, 21, 20, tzinfo=UTC), "Asia/Tbilisi")
OURS = mtn.OWN


def books(connected: Connected) -> Statement:
    assert connected.statement is not None
    return connected.statement


def page_of(connected: Connected, period: Period, position: Mapping[str, Any] | None = None) -> Any:
    listing = books(connected).listing
    assert listing is not None
    return listing(period, position)


def unread(read: Callable[[], object]) -> BooksUnread:
    with pytest.raises(BooksUnread) as caught:
        read()
    return caught.value


# ubill


def ubill_lines(*rows: dict[str, Any]) -> Sequence[BookLine]:
    with ubill.ubill({ubill.LIST: ubill.rows(*rows)}) as (connected, _, _):
        return books(connected).account(str(ubill.ACCOUNT))


def test_ubill_corrections_and_transfers_are_other_lines_and_keep_their_sign() -> None:
    lines = ubill_lines(ubill.row(OURS, "1"), ubill.row("x", "-2.5", typeID="2"), ubill.row(None, "3.00", typeID=5))
    assert [(line.kind, line.amount_minor, line.marker, line.status) for line in lines] == [
        ("payment", 100, OURS, "typeID 1"),
        ("other", -250, "x", "typeID 2"),
        ("other", 300, None, "typeID 5"),
    ]
    assert lines[0].at == datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (ubill.rows(ubill.row(OURS, "1.005")), "a sum can't be read"),
        (ubill.rows(ubill.row(OURS), recordsTotal=2), "the list is not whole"),
        (ubill.rows(ubill.row(OURS, accountID="7")), "the answer is not as documented"),
        (ubill.reply({"statusID": 99, "message": "made up"}), "the answer is not as documented"),
        (answer(200, b"<html>"), "the answer is not as documented"),
    ],
)
def test_ubill_gives_an_account_whole_or_not_at_all(body: bytes, why: str) -> None:
    with ubill.ubill({ubill.LIST: body}) as (connected, _, _):
        error = unread(lambda: books(connected).account(str(ubill.ACCOUNT)))
    assert (str(error), error.passing) == (f"payments of an account: {why}", False)


@pytest.mark.parametrize("account", ["", "12/../7", "-1", "١٢"])
def test_ubill_asks_for_no_account_that_can_not_be_one(account: str) -> None:
    with ubill.ubill({}) as (connected, fake, _):
        unread(lambda: books(connected).account(account))
    assert fake.asked == []


def test_ubill_list_gives_the_periods_rows_and_those_without_a_date() -> None:
    rows = [
        ubill.row(OURS, "1.00", accountID="7", date="2026-11-21 23:59:59"),
        ubill.row(OURS, "1.00", accountID="8", date="2026-11-22 00:00:00"),
        ubill.row(OURS, "1.00", accountID="9", date="2026-11-20 23:59:59"),
        ubill.row(OURS, "1.00", accountID="10", date=None),
        ubill.row(OURS, "unreadable", accountID="11", date="2020-01-01 00:00:00"),
    ]
    with ubill.ubill({"/payments": ubill.reply({"status": True, "data": rows})}) as (connected, _, _):
        page = page_of(connected, DAY)
    assert ([line.account for line in page.lines], page.position) == (["7", "10"], None)
    assert not any(line.touched for line in page.lines)


@pytest.mark.parametrize(
    "body", [{"status": False, "data": []}, {"data": []}, {"status": True, "recordsTotal": 1, "data": []}]
)
def test_ubill_list_that_says_no_success_or_not_everything_is_unread(body: dict[str, Any]) -> None:
    with ubill.ubill({"/payments": ubill.reply(body)}) as (connected, _, _):
        unread(lambda: page_of(connected, DAY))


@pytest.mark.parametrize("status", [401, 403])
def test_ubill_refused_key_is_a_refused_login(status: int) -> None:
    with ubill.ubill({ubill.LIST: answer(status)}) as (connected, _, _), pytest.raises(LoginRefused):
        books(connected).account(str(ubill.ACCOUNT))


def test_a_list_that_is_too_large_says_which_setting_to_raise() -> None:
    with ubill.ubill({"/payments": answer(200, b" " * 100_001)}) as (connected, _, _):
        error = unread(lambda: page_of(connected, DAY))
    assert "SETTLEPIPE_HTTP__MAX_BODY_BYTES" in str(error)
    assert not error.passing


def test_a_provider_that_asks_for_time_is_heard() -> None:
    with ubill.ubill({ubill.LIST: answer(429, b"", "Retry-After: 17")}) as (connected, _, _):
        error = unread(lambda: books(connected).account(str(ubill.ACCOUNT)))
    assert (error.passing, error.retry_after_s) == (True, 17)


# mtn


def mtn_lines(data: Any) -> Sequence[BookLine]:
    document = {"result": {"resultCode": "0000", "resultDescription": "done"}, "data": data}
    with mtn.mtn({"read": mtn.reply(document)}) as (connected, _, _):
        return books(connected).account("2:700001")


def test_mtn_lines_are_each_in_their_own_currency_and_one_payment_is_one_line() -> None:
    references = [{"referenceId": text} for text in ("mtn's own", OURS, mtn.EARLIER)]
    data = mtn.bill(mtn.paid(paymentRef=references), mtn.paid("x", paidAmount={"amount": "7", "unit": "JPY"}))
    lines = mtn_lines(data)
    assert [(line.marker, line.amount_minor, line.currency) for line in lines] == [
        (OURS, 10_000, "ZAR"),
        ("x", 7, "JPY"),
    ]


def test_mtn_day_of_a_payment_of_ours_is_not_taken_for_when_it_was_booked() -> None:
    own, other = mtn_lines(mtn.bill(mtn.paid(), mtn.paid("x")))
    assert own.at is None
    assert other.at == datetime(2026, 11, 21, tzinfo=UTC)


def test_mtn_account_without_payments_has_no_lines() -> None:
    assert mtn_lines({"id": "700001", "appliedPayment": None}) == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"id": "700001"}, "the list is not whole"),
        (None, "the list is not whole"),
        (
            mtn.bill()
            | {"appliedPayment": {"totalPaidAmount": {"amount": "200", "unit": "ZAR"}, "payment": [mtn.paid()]}},
            "the list is not whole",
        ),
        (mtn.bill(mtn.paid(paidAmount={"amount": "7", "unit": "points"})), "an amount can't be read"),
        (mtn.bill(mtn.paid(paidAmount={"amount": "7", "unit": ""})), "an amount can't be read"),
        (mtn.bill(mtn.paid(amount="1.005")), "an amount can't be read"),
    ],
)
def test_mtn_gives_an_account_whole_or_not_at_all(data: Any, why: str) -> None:
    error = unread(lambda: mtn_lines(data))
    assert (str(error), error.passing) == (f"payments of an account: {why}", False)


def test_mtn_account_is_asked_for_under_its_type_without_dates() -> None:
    with mtn.mtn({"read": mtn.listed()}) as (connected, fake, _):
        books(connected).account("3:00 7/1")
    assert fake.asked("GET")[0].target == "/v1/customerBill/00%207%2F1?customerType=3&queryType=paidBill"


def test_mtn_new_token_that_is_refused_as_well_is_a_refused_login() -> None:
    with mtn.mtn({"read": answer(401)}) as (connected, fake, _):
        assert unread(lambda: books(connected).account("2:700001")).passing
        with pytest.raises(LoginRefused):
            books(connected).account("2:700001")
    assert len(fake.asked("GET")) == 2


# billcenter


CODE: str = billcenter.INVOICE["invoice_code"]


def invoice(number: int, updated_at: str | None, **changes: Any) -> dict[str, Any]:
    return billcenter.INVOICE | {"id": number, "invoice_code": f"i-{number}", "updated_at": updated_at} | changes


def ago(hours: float) -> str:
    """So many hours before the period's end."""
    return (DAY.end - timedelta(hours=hours)).isoformat()


def test_billcenter_invoice_is_one_line_with_its_total() -> None:
    with billcenter.billcenter({"invoices": billcenter.page(billcenter.INVOICE | {"amount_paid": "50.20"})}) as (
        c,
        fake,
        _,
    ):
        (line,) = books(c).account(CODE)
    assert (line.kind, line.account, line.amount_minor, line.currency, line.status) == (
        "total",
        CODE,
        5020,
        "MNT",
        "PENDING",
    )
    assert f"invoice_code={CODE}" in fake.paths[-1]


@pytest.mark.parametrize(
    "body",
    [
        billcenter.page(),
        billcenter.page(billcenter.INVOICE, billcenter.INVOICE | {"id": 8}),
        billcenter.page(billcenter.INVOICE, count=60),  # the filter was not applied
        billcenter.page(billcenter.INVOICE | {"amount_paid": "much"}),
        answer(200, b""),
    ],
)
def test_billcenter_invoice_that_is_not_one_for_sure_is_unread(body: bytes) -> None:
    with billcenter.billcenter({"invoices": body}) as (connected, _, _):
        assert not unread(lambda: books(connected).account(CODE)).passing


def listed(pages: Sequence[bytes]) -> tuple[list[str], list[str]]:
    """The codes of all lines of the list, and the pages that were asked for."""

    def page(query: dict[str, str]) -> bytes:
        number = int(query["page"])
        assert query["ordering"] == "-updated_at"
        return pages[number - 1] if number <= len(pages) else answer(404, b'{"detail": "Invalid page."}')

    with billcenter.billcenter({"invoices": page}) as (connected, fake, _):
        codes: list[str] = []
        position: Mapping[str, Any] | None = None
        while True:
            found = page_of(connected, DAY, position)
            codes += [line.account for line in found.lines]
            position = found.position
            if position is None:
                break
        return codes, [path for path in fake.paths if "invoices" in path]


def test_billcenter_list_ends_where_all_that_follows_is_older_than_the_period() -> None:
    first = billcenter.page(invoice(1, ago(-3)), invoice(2, ago(1)), count=6)
    second = billcenter.page(invoice(3, ago(23.5)), invoice(4, ago(25)), count=6)
    codes, asked = listed([first, second, billcenter.page(invoice(5, ago(26)), invoice(6, ago(27)), count=6)])
    assert (codes, len(asked)) == (["i-1", "i-2", "i-3"], 2)


def test_billcenter_list_in_another_order_is_read_to_its_end() -> None:
    first = billcenter.page(invoice(1, ago(40)), invoice(2, ago(30)), count=4)
    codes, asked = listed([first, billcenter.page(invoice(3, ago(1)), invoice(4, ago(99)), count=4)])
    assert (codes, len(asked)) == (["i-3"], 2)


def test_billcenter_invoice_without_a_date_is_never_a_reason_to_stop() -> None:
    first = billcenter.page(invoice(1, None), invoice(2, ago(30)), count=3)
    codes, _ = listed([first, billcenter.page(invoice(3, ago(1)), count=3)])
    assert codes == ["i-1", "i-3"]


def test_billcenter_list_that_shrank_to_full_pages_ends_with_its_404() -> None:
    codes, asked = listed([billcenter.page(invoice(1, ago(1)), invoice(2, ago(2)), count=3)])
    assert (codes, len(asked)) == (["i-1", "i-2"], 2)


def test_billcenter_page_that_is_empty_where_rows_are_announced_is_unread() -> None:
    pages = [billcenter.page(invoice(1, ago(1)), invoice(2, ago(2)), count=4), billcenter.page(count=4)]
    assert (
        str(unread(lambda: listed(pages))) == "page 2 of the list of invoices: it is empty where 4 rows are announced"
    )


def test_billcenter_refused_token_is_not_used_again() -> None:
    with billcenter.billcenter({"invoices": answer(401)}) as (connected, fake, _):
        assert unread(lambda: books(connected).account(CODE)).passing
        with pytest.raises(LoginRefused):
            books(connected).account(CODE)
    assert len([path for path in fake.paths if path.endswith("/api/token/")]) == 2

"""ubill's checks over real sockets: what an account's payments prove, and how it is learnt that they do."""

import hashlib
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from shared.domain.answers import CheckResult, Meaning, Verdict
from shared.domain.request import Request
from shared.providers.base import Doubt, LoginRefused
from tests.support.memory import MemoryBooks, MemoryDirectory
from tests.support.raw_server import answer, wait_until
from tests.support.ubill import ACCOUNT, KEY, LIST, PAYMENT, Route, reply, row, rows, ubill

FACT = ("ubill", f"gives_markers_back:{hashlib.sha256(KEY.encode()).hexdigest()[:12]}")
BOOKS_KEY = f"ubill:{ACCOUNT}"
SENT_AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)  # 12:00 in Georgia
EARLIER = row("sp-0", "5")
HANG: Route = lambda c: c.hang()  # noqa: E731


def known(**changes: Any) -> MemoryBooks:
    """One earlier success, and a key that is known to get its markers back."""
    succeeded = {BOOKS_KEY: {"sp-0"}}
    latest = replace(PAYMENT, sent_reference="sp-0")
    kept = {"facts": {FACT}, "succeeded_references": succeeded, "references": {"sp-0"}, "latest": latest}
    return MemoryBooks(**{**kept, **changes})


def check(answered: Route, books: MemoryBooks | None = None, *, passed: bool = True, **changes: Any) -> CheckResult:
    with ubill({LIST: answered}, total_timeout_s=0.5 if answered is HANG else 5, **changes) as (connected, _, _server):
        provider = connected.provider
        assert provider is not None
        doubt = Doubt(PAYMENT, None, None, passed, SENT_AT)
        return provider.check(doubt, books if books is not None else known(), provider.authorise())


def test_a_payment_in_the_list_is_applied_and_carries_the_lists_id() -> None:
    """Trap: the list's id is not the one that other calls give; only the marker matches."""
    result = check(rows(EARLIER, row("sp-1", id="537")))
    assert (result.verdict, result.provider_reference) == (Verdict.APPLIED, "537")


@pytest.mark.parametrize("amount", ["100", "100.00", 100, 100.0])
def test_the_sum_is_read_in_every_form(amount: Any) -> None:
    assert check(rows(row("sp-1", amount))).verdict is Verdict.APPLIED


def test_one_that_is_not_there_is_not_applied() -> None:
    assert check(rows(EARLIER)).verdict is Verdict.NOT_APPLIED


def test_within_the_settle_window_nothing_is_not_applied() -> None:
    assert check(rows(EARLIER), passed=False).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("strange", "expected"),
    [
        (row(None), Verdict.INCONCLUSIVE),  # comment null: a marker may have been lost
        (row(""), Verdict.INCONCLUSIVE),
        (row(None, "100", typeID="5", transactionID="t9"), Verdict.INCONCLUSIVE),
        (row(None, "x"), Verdict.INCONCLUSIVE),
        (row(None, "100.005"), Verdict.INCONCLUSIVE),
        (row(None, "99.99"), Verdict.NOT_APPLIED),
        (row(None, "-100", typeID="2"), Verdict.NOT_APPLIED),  # a correction
        (row(None, "1", balance="100"), Verdict.NOT_APPLIED),  # balances are not looked at
        (row("sp-0"), Verdict.NOT_APPLIED),
    ],
)
def test_an_unexplained_line_with_the_sum_may_be_it(strange: dict[str, Any], expected: Verdict) -> None:
    assert check(rows(EARLIER, strange)).verdict is expected


@pytest.mark.parametrize(
    ("date", "offset_h", "expected"),
    [
        ("2026-11-20 11:59:59", 4, Verdict.NOT_APPLIED),  # more than a day before 12:00 in Georgia
        ("2026-11-20 12:00:00", 4, Verdict.INCONCLUSIVE),
        ("2026-11-20 11:59:59", 0, Verdict.INCONCLUSIVE),
        ("2026-11-20 07:59:59", 0, Verdict.NOT_APPLIED),
    ],
)
def test_dates_have_no_zone_and_are_read_in_the_settings(date: str, offset_h: float, expected: Verdict) -> None:
    assert check(rows(EARLIER, row(None, date=date)), utc_offset_h=offset_h).verdict is expected


def test_its_marker_twice_is_for_a_person() -> None:
    result = check(rows(row("sp-1"), row("sp-1", id="72")))
    assert (result.verdict, result.for_person) == (Verdict.INCONCLUSIVE, True)


@pytest.mark.parametrize("type_id", ["2", "5"])
def test_its_marker_on_a_correction_or_a_transfer_is_inconclusive(type_id: str) -> None:
    result = check(rows(row("sp-1", typeID=type_id)))
    assert (result.verdict, result.own) == (Verdict.INCONCLUSIVE, True)
    assert [line["reference"] for line in result.shown] == ["sp-1"]


def test_a_person_is_shown_each_line_that_may_be_it_with_ubills_own_number() -> None:
    odd = row("cash desk 7" * 20, "x", id="73", date="soon")
    result = check(rows(EARLIER, row(None, "99.99"), row(None), odd))
    assert result.shown == (
        {"number": "71", "amount": "100.00 GEL", "date": "2026-11-21 12:00:00", "reference": None},
        {"number": "73", "amount": None, "date": "soon", "reference": ("cash desk 7" * 20)[:100]},
    )
    assert result.doubts == ("2 lines with this sum are not explained",)
    assert result.own is False
    both = check(rows(row("sp-1"), row("sp-1", "99", id="72")))
    assert both.own is True
    assert [line["amount"] for line in both.shown] == ["100.00 GEL", "99.00 GEL"]
    assert check(rows(EARLIER)).shown == ()


def test_totals_beyond_the_rows_show_a_list_that_is_not_whole() -> None:
    assert check(rows(EARLIER, recordsTotal=1)).verdict is Verdict.NOT_APPLIED
    assert check(rows(EARLIER, recordsTotal=2)).verdict is Verdict.INCONCLUSIVE
    assert check(rows(row("sp-1"), recordsTotal=2)).verdict is Verdict.APPLIED


def test_what_was_learnt_of_another_key_does_not_hold_for_this_one() -> None:
    assert check(rows(EARLIER), api_key=SecretStr("made-up-key-2")).verdict is Verdict.INCONCLUSIVE


def test_a_missing_success_is_unlearnt() -> None:
    books = known()
    assert check(rows(), books).verdict is Verdict.INCONCLUSIVE
    assert books.facts == set()


def test_our_successes_are_read_before_the_list() -> None:
    """One that is recorded while the list is on its way need not stand in it."""
    books = known()

    def slowly(connection: Any) -> None:
        books.succeeded_references[BOOKS_KEY].add("sp-7")
        connection.send(rows(EARLIER))

    assert check(slowly, books).verdict is Verdict.NOT_APPLIED


@pytest.mark.parametrize(
    "answered",
    [
        answer(200),
        answer(200, b"<html>"),
        answer(200, b"[]"),
        answer(200, b'{"statusID": 0, "data": [{"comm'),
        reply({"status": True, "data": []}),
        reply({"statusID": 10, "message": "made up"}),
        rows(row("sp-1", accountID="900002")),
        answer(400),
        answer(404),
        answer(429),
        answer(500),
        answer(524),
        rows(*[EARLIER] * 1000),
        HANG,
    ],
)
def test_a_list_that_cannot_be_read_says_nothing(answered: Route) -> None:
    books = known()
    result = check(answered, books)
    assert (result.verdict, result.unread) == (Verdict.INCONCLUSIVE, True)
    assert result.for_person is False
    assert FACT in books.facts


@pytest.mark.parametrize(
    ("answered", "down"),
    [(answer(502), True), (answer(503), True), (lambda c: c.reset(), True), (HANG, True),
     (answer(500), False), (answer(200), False)],
)  # fmt: skip
def test_a_check_tells_that_the_provider_is_down(answered: Route, down: bool) -> None:
    assert check(answered).provider_down is down


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_at_a_check_halts_the_lane_and_says_nothing_of_the_payment(status: int) -> None:
    with pytest.raises(LoginRefused, match=f"HTTP {status}"):
        check(reply({"statusID": 0, "data": []}, status))


def test_a_check_only_reads() -> None:
    with ubill({LIST: rows(EARLIER)}) as (connected, fake, _):
        assert connected.provider is not None
        connected.provider.check(Doubt(PAYMENT, None, None, True), known(), connected.provider.authorise())
    assert (fake.asked, fake.keys) == ([f"GET /v1{LIST}"] * 2, [KEY] * 2), "the account, and that of the last success"


def test_a_payment_is_sent_as_a_post_with_the_key_in_its_header() -> None:
    added = reply({"statusID": 0, "message": "Success", "data": {"id": "4001"}})
    with ubill({"/payments/add": added}) as (connected, fake, server):
        assert connected.provider is not None
        built = connected.provider.build(PAYMENT, MemoryDirectory())
        assert isinstance(built, Request)
        payment = replace(PAYMENT, body=built.body, path=built.path)
        got = connected.provider.send(payment, connected.provider.authorise())
    assert (got.meaning, got.provider_reference) == (Meaning.SUCCEEDED, "4001")
    assert (fake.asked, fake.keys) == (["POST /v1/payments/add"], [KEY])
    assert server.bodies() == [built.body]


def learn(connected: Any, books: MemoryBooks) -> None:
    connected.learn(PAYMENT, books, connected.provider.authorise())


def succeeded(*references: str) -> MemoryBooks:
    return MemoryBooks(succeeded_references={BOOKS_KEY: set(references)})


@pytest.mark.parametrize(
    ("answered", "facts"),
    [
        (rows(EARLIER, row("sp-1")), {FACT}),
        (rows(EARLIER), set()),
        (rows(row("sp-1")), set()),  # an earlier success is missing
        (rows(EARLIER, row("sp-1", "1")), set()),
        (rows(EARLIER, row("sp-")), set()),  # cut
        (rows(EARLIER, row("sp-1"), recordsTotal=3), set()),
        (reply({"status": True, "data": [EARLIER, row("sp-1")]}), set()),
        (answer(500), set()),
    ],
)
def test_an_explicit_success_teaches_whether_markers_are_given_back(answered: Route, facts: set[Any]) -> None:
    books = succeeded("sp-0", "sp-1")
    with ubill({LIST: answered}) as (connected, _, _server):
        learn(connected, books)
    assert books.facts == facts


def test_a_known_key_is_not_read_back_again() -> None:
    with ubill({LIST: rows()}) as (connected, fake, _):
        for _number in range(3):
            learn(connected, known())
        assert fake.asked == []


def test_many_successes_at_once_are_read_back_once() -> None:
    """The first one's read hangs until all the others have gone on without reading."""
    others = [threading.Event() for _ in range(8)]
    books = succeeded("sp-1")

    def slowly(connection: Any) -> None:
        for other in others:
            assert other.wait(120)
        connection.send(rows(row("sp-1")))

    with ubill({LIST: slowly}) as (connected, fake, _):

        def success(done: threading.Event) -> None:
            learn(connected, books)
            done.set()

        first = threading.Thread(target=learn, args=(connected, books))
        first.start()
        wait_until(lambda: bool(fake.asked))
        threads = [threading.Thread(target=success, args=(done,)) for done in others]
        for thread in threads:
            thread.start()
        for thread in (first, *threads):
            thread.join(120)
        learn(connected, books)
    assert (fake.asked, books.facts) == ([f"GET /v1{LIST}"], {FACT})

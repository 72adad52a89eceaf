"""mtn's checks: what the list of an account's payments proves, and what it doesn't."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.answers import CheckResult, Verdict
from shared.domain.payment import Payment
from shared.providers.base import Doubt, LoginRefused
from shared.providers.registry import connect
from shared.settings import Settings
from shared.settings.sections import MtnSettings
from tests.support.memory import MTN_SETTLE, MemoryBooks
from tests.support.mtn import (
    EARLIER,
    KEY,
    OAUTH,
    OTHERS,
    OWN,
    FakeMtn,
    Handler,
    Seen,
    bill,
    error,
    listed,
    mtn,
    paid,
    reply,
)
from tests.support.paying import Paying, paying
from tests.support.raw_server import answer

BOOKS_KEY = "mtn:2:700001"
SENT_AT = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
# our last success, on an account of its own
LATEST = replace(MTN_SETTLE, sent_reference=EARLIER, target={**MTN_SETTLE.target, "id": "700002"})


def answering(answered: bytes, latest: bytes | None = None) -> Handler:
    """Lists `answered`, and on the account of our last success that one."""
    return lambda seen: (latest or listed(paid(EARLIER))) if "700002" in seen.target else answered


class Books(MemoryBooks):
    """Books in which every fact is known, until it is unlearnt."""

    def __init__(self, *succeeded: str, known: bool = True) -> None:
        references = {*succeeded, OTHERS, OWN}
        super().__init__(succeeded_references={BOOKS_KEY: set(succeeded)}, references=references, latest=LATEST)
        self.known = known

    def knows(self, provider: str, fact: str) -> bool:
        return self.known and provider == "mtn" and fact.startswith("gives_markers_back:")

    def unlearn(self, provider: str, fact: str) -> None:
        self.known = False


def check(
    answered: bytes,
    books: MemoryBooks | None = None,
    *,
    passed: bool = True,
    payment: Payment = MTN_SETTLE,
    first_sent_at: datetime | None = SENT_AT,
    latest: bytes | None = None,
) -> CheckResult:
    with mtn({"read": answering(answered, latest)}, total_timeout_s=1) as (connected, _, _server):
        doubt = Doubt(payment, None, None, passed, first_sent_at)
        return connected.provider.check(doubt, books or Books(), connected.provider.authorise())


def test_one_payment_with_our_reference_and_sum_is_applied() -> None:
    for found in (paid(), paid(None, referenceId=OWN)):
        result = check(listed(paid(EARLIER), found), passed=False)
        assert (result.verdict, result.provider_reference) == (Verdict.APPLIED, "P-1")


@pytest.mark.parametrize(
    "payments",
    [
        [paid(), paid()],
        [paid(amount="100.01")],
        [paid(paidAmount={"amount": "100.00", "unit": "UGX"})],
        [paid(paidAmount={"amount": "x", "unit": "ZAR"})],
    ],
)
def test_our_reference_twice_or_beside_another_sum_is_for_a_person(payments: list[dict[str, Any]]) -> None:
    result = check(listed(*payments))
    assert (result.verdict, result.for_person) == (Verdict.INCONCLUSIVE, True)


def test_a_list_that_would_show_the_payment_and_does_not_says_not_applied() -> None:
    assert check(listed()).verdict is Verdict.NOT_APPLIED
    assert check(listed(paid(EARLIER), paid(OTHERS)), Books(EARLIER)).verdict is Verdict.NOT_APPLIED
    assert check(listed(paid("SLIP-7", amount="99.99"))).verdict is Verdict.NOT_APPLIED


@pytest.mark.parametrize(
    ("answered", "books", "passed"),
    [
        (listed(), Books(), False),
        (listed(), Books(known=False), True),
        (listed(), Books(EARLIER), True),
        (listed(paid("SLIP-7")), Books(), True),
        (listed(paid(None)), Books(), True),
        (listed(paid(None, paidAmount=None)), Books(), True),
        (listed(paid("SLIP-7", paidAmount={"amount": "100", "unit": "Rand"})), Books(), True),
        (listed(paid("SLIP-7", transactionDate="yesterday")), Books(), True),
        (reply({"resultCode": "0000", "data": {"id": "700001"}}), Books(), True),
        (reply({"resultCode": "0000", "data": None}), Books(), True),
        (reply({"resultCode": "0000", "data": []}), Books(), True),
    ],
)
def test_while_any_way_is_open_in_which_the_payment_could_hide_it_is_inconclusive(
    answered: bytes, books: Books, passed: bool
) -> None:
    result = check(answered, books, passed=passed)
    assert (result.verdict, result.unread, result.for_person) == (Verdict.INCONCLUSIVE, False, False)


def test_a_list_that_lacks_an_earlier_success_unlearns_that_references_are_given_back() -> None:
    books = Books(EARLIER)
    check(listed(), books)
    assert books.known is False


@pytest.mark.parametrize(
    "document",
    [
        {"resultCode": "0000", "data": bill(paid())},
        {"result": {"resultCode": "0000"}, "data": bill(paid())},
        {"result": {"resultCode": "0000"}, "data": [bill(paid())]},
        {"result": {"resultCode": "0000"}, "data": bill(appliedPayment=[{"payment": [paid()]}])},
    ],
)
def test_either_form_of_the_answer_is_read(document: dict[str, Any]) -> None:
    """Traps: the code at the top or under result; data an array or an object."""
    assert check(reply(document)).verdict is Verdict.APPLIED


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-11-18", Verdict.NOT_APPLIED),
        ("2026-11-19", Verdict.NOT_APPLIED),  # it ended more than a day before
        ("2026-11-20", Verdict.INCONCLUSIVE),  # its last second is less than a day before
        ("2026-11-21", Verdict.INCONCLUSIVE),
        ("2026-11-22", Verdict.INCONCLUSIVE),
    ],
)
def test_a_payment_of_this_sum_is_explained_only_when_its_whole_day_is_long_past(day: str, expected: Verdict) -> None:
    assert check(listed(paid("SLIP-7", day=day))).verdict is expected


def test_a_payment_that_was_sent_days_after_it_was_paid_is_looked_for_at_its_own_day() -> None:
    """mtn gives the day back that we sent, and that is paid_at's."""
    late = SENT_AT + timedelta(days=9)
    on_its_day = listed(paid(None, day="2026-11-21"))
    assert check(on_its_day, first_sent_at=late).verdict is Verdict.INCONCLUSIVE
    assert check(on_its_day, first_sent_at=late, payment=replace(MTN_SETTLE, paid_at=late)).verdict is (
        Verdict.NOT_APPLIED
    )
    assert check(listed(paid(None, day="2025-01-01")), first_sent_at=None).verdict is Verdict.INCONCLUSIVE


def test_a_person_is_shown_each_line_that_may_be_it_with_mtns_own_number() -> None:
    undated = paid("SLIP-7", transactionDate=None, id="P-2")
    result = check(listed(paid(None, day="2026-11-21"), undated, paid("SLIP-8", day="2025-01-01")), passed=False)
    assert result.shown == (
        {"number": "P-1", "amount": "100.00 ZAR", "date": "2026-11-21", "reference": None},
        {"number": "P-2", "amount": "100.00 ZAR", "date": None, "reference": "SLIP-7"},
    )
    assert result.doubts == ("the settle window is not over", "2 lines with this sum are not explained")
    assert check(listed(paid(amount="7.00"))).own is True


@pytest.mark.parametrize(
    ("latest", "known"),
    [(listed(), False), (listed(paid(OTHERS)), False), (listed(paid(EARLIER), 7), True), (answer(500), True)],
)
def test_not_applied_is_believed_only_while_our_last_success_can_be_read_back(latest: bytes, known: bool) -> None:
    books = Books()
    assert check(listed(), books, latest=latest).verdict is Verdict.INCONCLUSIVE
    assert books.known is known
    books = Books()
    books.latest = None
    assert check(listed(), books).verdict is Verdict.INCONCLUSIVE


def test_our_successes_are_read_before_the_list() -> None:
    """One that is recorded while the list is on its way need not stand in it."""
    books = Books()

    def read(seen: Seen) -> bytes:
        books.succeeded_references[BOOKS_KEY].add(EARLIER)
        return listed(paid(EARLIER)) if "700002" in seen.target else listed()

    with mtn({"read": read}) as (connected, _, _server):
        doubt = Doubt(MTN_SETTLE, None, None, True, SENT_AT)
        result = connected.provider.check(doubt, books, connected.provider.authorise())
    assert result.verdict is Verdict.NOT_APPLIED


def test_a_check_asks_for_paid_bills_and_never_filters_by_date() -> None:
    payment = replace(MTN_SETTLE, target={**MTN_SETTLE.target, "id": "INV/7 8", "customer_type": 3})
    with mtn({"read": listed()}, country_code="ZAF", target_system="CLM") as (connected, fake, _):
        auth = connected.provider.authorise()
        connected.provider.check(Doubt(payment, None, None, True, SENT_AT), Books(), auth)
    seen = fake.asked("GET")[0]
    assert seen.target == "/v1/customerBill/INV%2F7%208?customerType=3&queryType=paidBill"
    assert (seen.headers["countrycode"], seen.headers["targetsystem"]) == ("ZAF", "CLM")
    assert seen.headers["transactionid"] not in ("", OWN), "that one is what the payment is reconciled by"


@pytest.mark.parametrize(
    ("answered", "unread", "down"),
    [
        (error(404), False, False),
        (error(400), False, False),
        (reply({"resultCode": "1001", "data": bill(paid())}), False, False),
        (answer(404), True, False),
        (error(401), True, False),
        (answer(429), True, False),
        (error(500), True, False),
        (answer(502), True, True),
        (answer(503), True, True),
        (answer(504), True, True),
        (answer(200), True, False),
        (answer(200, b"<html>"), True, False),
        (answer(200, b'{"resultCode": "0000", "da'), True, False),
        (reply({"data": bill(paid())}), True, False),
        (reply([]), True, False),
        (reply({"resultCode": "0000", "data": bill()}, 206), True, False),
    ],
)
def test_a_list_that_cannot_be_read_is_inconclusive(answered: bytes, unread: bool, down: bool) -> None:
    result = check(answered)
    assert (result.verdict, result.unread, result.provider_down) == (Verdict.INCONCLUSIVE, unread, down)


@pytest.mark.parametrize(("status", "credentials"), [(403, OAUTH), (403, KEY), (401, KEY)])
def test_a_check_that_is_not_let_in_halts_the_lane(status: int, credentials: dict[str, Any]) -> None:
    with mtn({"read": error(status)}, **credentials) as (connected, _, _server):
        doubt = Doubt(MTN_SETTLE, None, None, True, SENT_AT)
        auth = connected.provider.authorise()
        with pytest.raises(LoginRefused, match=f"HTTP {status}"):
            connected.provider.check(doubt, Books(), auth)


def test_a_401_at_a_check_forgets_the_token() -> None:
    with mtn({"read": error(401)}) as (connected, fake, _):
        auth = connected.provider.authorise()
        doubt = Doubt(MTN_SETTLE, None, None, True, SENT_AT)
        assert connected.provider.check(doubt, Books(), auth).unread
        row = fake.tokens.read("mtn")
        assert row is not None
        assert row.refused


def test_no_answer_at_all_says_that_mtn_is_down() -> None:
    with mtn({"read": lambda _: lambda connection: connection.hang()}, total_timeout_s=0.3) as (connected, _, _server):
        doubt = Doubt(MTN_SETTLE, None, None, True, SENT_AT)
        result = connected.provider.check(doubt, Books(), connected.provider.authorise())
    assert (result.verdict, result.unread, result.provider_down) == (Verdict.INCONCLUSIVE, True, True)


@contextmanager
def learning(answered: bytes, **settings: Any) -> Iterator[tuple[Paying, FakeMtn, MemoryBooks]]:
    books = MemoryBooks(succeeded_references={BOOKS_KEY: {OWN, EARLIER}})
    with mtn({"read": answered}, **settings) as (connected, fake, _):
        assert connected.learn is not None
        connected.learn(MTN_SETTLE, books, connected.provider.authorise())
        yield connected, fake, books


@pytest.mark.parametrize(
    ("answered", "learnt"),
    [
        (listed(paid(EARLIER), paid()), True),
        (listed(paid(EARLIER), paid(None, referenceId=OWN)), True),
        (listed(paid()), False),
        (listed(paid(EARLIER), paid(amount="1.00")), False),
        (listed(paid(EARLIER), paid(OWN[:-1])), False),
        (listed(paid(EARLIER), paid(), 7), False),  # not whole
        (reply({"resultCode": "1", "data": bill(paid(EARLIER), paid())}), False),
        (answer(500), False),
    ],
)
def test_a_success_that_can_be_read_back_teaches_that_references_are_given_back(answered: bytes, learnt: bool) -> None:
    with learning(answered) as (_, _fake, books):
        assert bool(books.facts) is learnt


def test_what_is_known_is_not_read_back_again() -> None:
    with learning(listed(paid(EARLIER), paid())) as (connected, fake, books):
        assert connected.learn is not None
        connected.learn(MTN_SETTLE, books, connected.provider.authorise())
        assert len(fake.asked("GET")) == 1


@pytest.mark.parametrize(
    "changes",
    [{}, KEY, {"api_key": "another"}, {"client_id": "x", "client_secret": "y"}, {"country_code": "ZAF"},
     {"target_system": "CS"}],
)  # fmt: skip
def test_what_one_credential_or_system_gives_back_is_not_known_of_another(changes: dict[str, str]) -> None:
    with mtn({"read": listed(paid(EARLIER), paid())}) as (first, fake, server):
        books = MemoryBooks(references={OWN, EARLIER}, latest=MTN_SETTLE)
        assert first.learn is not None
        first.learn(MTN_SETTLE, books, first.provider.authorise())
        assert "made-up" not in json.dumps(sorted(books.facts))
        other = replace(MTN_SETTLE, sent_reference=OTHERS)
        assert _judged(first, other, books) is Verdict.NOT_APPLIED
        other_level = replace(other, target={**MTN_SETTLE.target, "customer_type": 1})
        assert _judged(first, other_level, books) is Verdict.INCONCLUSIVE
        section = MtnSettings.model_validate({"base_url": f"{server.url}/v1", **OAUTH, **changes})
        second = paying(connect("mtn", Settings(mtn=section), fake.tokens))
        assert (_judged(second, other, books) is Verdict.NOT_APPLIED) is not bool(changes)


def _judged(connected: Paying, payment: Payment, books: MemoryBooks) -> Verdict:
    doubt = Doubt(payment, None, None, True, SENT_AT)
    return connected.provider.check(doubt, books, connected.provider.authorise()).verdict

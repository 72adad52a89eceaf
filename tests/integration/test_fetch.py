"""A night's books, read from the sandbox by real processes into a real database."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from shared import lanes
from shared.domain.discrepancies import Reconciliation
from shared.reconciliation import fetch as fetching
from shared.reconciliation.fetch import fetch
from shared.reconciliation.store import runs
from tests.support.fetching import DAY, FetchedNight, noon
from tests.support.references import new_reference
from tests.support.sandbox import SandboxClient

LIMIT_S = 300


@pytest.fixture
def night(sandbox_process: SandboxClient, database_url: str) -> Iterator[FetchedNight]:
    sandbox_process.reset()
    sandbox_process.clear_faults()
    night = FetchedNight(database_url, sandbox_process)
    yield night
    night.connection.close()


def wait_for(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not reached():
        assert time.monotonic() < end, "it did not come to it"
        time.sleep(0.005)


def reopened(night: FetchedNight, run: Reconciliation) -> Reconciliation:
    """As a run is that goes on after it was incomplete."""
    night.connection.execute("UPDATE reconciliations SET state = 'fetching' WHERE id = %s", (run.id,))
    return runs.get(night.connection, run.id)


def strike(night: FetchedNight, provider: str, operation: str, fault: str, **more: object) -> None:
    night.sandbox.set_faults({"provider": provider, "operation": operation, "fault": fault} | more)


# What is read


def test_the_lines_of_an_account_with_a_payment_of_the_day_are_all_kept(night: FetchedNight) -> None:
    mine = night.settled("ubill", "4711")
    night.pay("ubill", account_id=4711, amount="10.00", comment=mine, at=noon("ubill").isoformat())
    night.pay("ubill", account_id=4711, amount="-3.10", comment="made up", type_id=2, at="2026-01-05T10:00:00+04:00")
    run = fetch(night.runtime(), night.run("ubill"))
    first, second = night.lines(run)
    assert (first["kind"], first["account"], first["marker"], first["amount_minor"]) == ("payment", "4711", mine, 1000)
    assert (first["ours"], first["touched"], first["at"], first["currency"]) == (True, True, noon("ubill"), "GEL")
    assert (second["kind"], second["amount_minor"], second["ours"]) == ("other", -310, False)
    assert (run.state, run.complete, run.missing, run.lines) == ("fetched", True, None, 2)
    assert night.read(run) == {"4711"}


def test_an_account_without_a_line_counts_as_read(night: FetchedNight) -> None:
    night.settled("ubill", "4711")
    run = fetch(night.runtime(), night.run("ubill"))
    assert (night.read(run), night.lines(run), run.complete) == ({"4711"}, [], True)


def test_what_is_not_final_and_what_an_open_discrepancy_is_about_is_asked_for_too(night: FetchedNight) -> None:
    long_ago = noon("mtn") - timedelta(days=40)
    night.settled("mtn", "2:00000001", at=long_ago, state="unknown")
    night.settled("mtn", "2:00000002", at=long_ago)  # of another night
    night.connection.execute(
        """INSERT INTO discrepancies (category, provider, identity, evidence, account)
        VALUES ('paid_elsewhere', 'mtn', 'paid_elsewhere:mtn:2:00000003:x', '{}', '2:00000003')"""
    )
    run = fetch(night.runtime(), night.run("mtn"))
    assert night.read(run) == {"2:00000001", "2:00000003"}


def test_a_payment_at_mtn_is_one_line_and_has_no_date_of_its_own_where_we_gave_it(night: FetchedNight) -> None:
    mine = night.settled("mtn", "2:00000001")
    night.pay("mtn", id="00000001", amount="10.00", reference=mine, date=DAY.isoformat())
    night.pay("mtn", id="00000001", amount="7.5", reference="somebody-else", date=DAY.isoformat())
    run = fetch(night.runtime(), night.run("mtn"))
    own, other = night.lines(run)
    assert (own["marker"], own["amount_minor"], own["currency"], own["at"]) == (mine, 1000, "GHS", None)
    assert (other["marker"], other["amount_minor"], other["ours"]) == ("somebody-else", 750, False)
    assert run.period_from <= other["at"] < run.period_to


def test_the_list_of_all_payments_adds_lines_with_a_reference_like_ours_under_other_accounts(
    night: FetchedNight,
) -> None:
    mine, unknown, old = night.settled("ubill", "4711"), new_reference(), new_reference()
    at = noon("ubill")
    for account, comment, when in (
        (4711, mine, at),
        (4712, unknown, at),
        (4713, "somebody else's", at),
        (4714, old, at - timedelta(days=1)),
    ):
        night.pay("ubill", account_id=account, amount="10.00", comment=comment, at=when.isoformat())
    run = fetch(night.runtime(), night.run("ubill"))
    assert [(line["account"], line["marker"], line["touched"]) for line in night.lines(run)] == [
        ("4711", mine, True),
        ("4712", unknown, False),
    ]
    assert night.read(run) == {"4711"}


def test_invoices_that_changed_are_found_on_every_page_if_we_ever_paid_them(night: FetchedNight) -> None:
    for number in range(250):
        night.pay("billcenter", invoice_code=f"other-{number:03d}", amount="1.00")
    night.settled("billcenter", "touched")
    night.settled("billcenter", "other-001", at=noon("billcenter") - timedelta(days=90))  # on the last page
    night.pay("billcenter", invoice_code="touched", amount="10.00")
    run = fetch(night.runtime(), night.run("billcenter"))
    found = [(line["kind"], line["account"], line["amount_minor"], line["touched"]) for line in night.lines(run)]
    assert found == [("total", "touched", 1000, True), ("total", "other-001", 100, False)]
    assert night.read(run) == {"touched", "other-001"}
    assert len([path for path in night.asked("invoices") if "ordering=-updated_at" in path]) == 3


# Killed on the way


@pytest.mark.parametrize("provider", ["ubill", "mtn"])
def test_a_fetch_that_was_killed_goes_on_after_the_last_account_that_it_kept(
    night: FetchedNight, provider: str
) -> None:
    accounts = 200
    for number in range(accounts):
        account = f"{4000 + number}" if provider == "ubill" else f"2:{4000 + number}"
        mine = night.settled(provider, account)
        who = {"account_id": 4000 + number, "comment": mine, "at": noon("ubill").isoformat()}
        if provider == "mtn":
            who = {"id": f"{4000 + number}", "reference": mine}
        night.pay(provider, amount="10.00", **who)
    night.options(provider, latency_s=0.1)
    run = night.run(provider)
    child = night.process(run)
    wait_for(lambda: len(night.read(run)) >= 3 * fetching.CHUNK)
    child.kill()
    child.wait()
    kept = night.read(run)
    assert len(kept) < accounts, "it was over before it could be killed"
    assert len(night.lines(run)) == len(kept)
    night.options(provider, latency_s=0)
    run = fetch(night.runtime(), runs.get(night.connection, run.id))
    lines = night.lines(run)
    assert len({line["marker"] for line in lines}) == len(lines) == run.lines == accounts
    assert [line["number"] for line in lines] == list(range(1, accounts + 1))
    assert run.complete
    operation = {"ubill": "account_payments", "mtn": "bill"}[provider]
    reads = Counter(path.rpartition("/")[2].partition("?")[0] for path in night.asked(operation))
    assert all(reads[account.rpartition(":")[2]] == 1 for account in kept)


def test_a_fetch_that_was_killed_goes_on_at_the_page_where_it_stopped(night: FetchedNight) -> None:
    for number in range(450):
        night.pay("billcenter", invoice_code=f"i-{number:03d}", amount="1.00")
    ours = {f"i-{number:03d}" for number in range(0, 450, 9)}
    for code in ours:
        night.settled("billcenter", code, at=noon("billcenter") - timedelta(days=9))
    night.options("billcenter", latency_s=0.3)
    run = night.run("billcenter")
    child = night.process(run)
    page = "SELECT coalesce((position -> 'listing' ->> 'page')::int, 0) FROM reconciliations WHERE id = %s"
    wait_for(lambda: night.value(page, run.id) >= 3)
    child.kill()
    child.wait()
    stopped_at = night.value(page, run.id)
    assert 3 <= stopped_at <= 5, "it was over before it could be killed"
    asked_before = len(night.asked("invoices"))
    night.options("billcenter", latency_s=0)
    run = fetch(night.runtime(), runs.get(night.connection, run.id))
    assert sorted(line["account"] for line in night.lines(run)) == sorted(ours)
    assert run.complete
    after = [path for path in night.asked("invoices")[asked_before:] if "ordering" in path]
    pages = [int(path.partition("page=")[2].partition("&")[0]) for path in after]
    assert sorted(set(pages)) == list(range(min(pages), 6))
    assert min(pages) >= stopped_at


def test_two_processes_that_read_the_same_books_keep_no_line_twice(night: FetchedNight) -> None:
    for number in range(64):
        mine = night.settled("ubill", f"{4000 + number}")
        night.pay("ubill", account_id=4000 + number, amount="10.00", comment=mine, at=noon("ubill").isoformat())
    night.options("ubill", latency_s=0.05)
    run = night.run("ubill")
    child = night.process(run)
    wait_for(lambda: len(night.read(run)) >= fetching.CHUNK)
    with contextlib.suppress(fetching.Elsewhere):
        fetch(night.runtime(), runs.get(night.connection, run.id))
    child.wait(LIMIT_S)
    if night.run("ubill").state == "fetching":  # each saw the other and left it alone
        fetch(night.runtime(), night.run("ubill"))
    lines = night.lines(run)
    assert len({line["marker"] for line in lines}) == len(lines) == 64


# What can't be read


@pytest.mark.parametrize("fault", ["error_429", "error_500_before", "error_503", "reset_before", "error_401"])
def test_a_read_that_fails_in_passing_is_made_again(night: FetchedNight, fault: str) -> None:
    mine = night.settled("mtn", "2:00000001")
    night.pay("mtn", id="00000001", amount="10.00", reference=mine)
    strike(night, "mtn", "bill", fault, count=2 if fault != "error_401" else 1)
    run = fetch(night.runtime(), night.run("mtn"))
    assert ([line["marker"] for line in night.lines(run)], run.complete) == ([mine], True)


def test_an_account_that_can_not_be_read_is_told_and_costs_the_others_nothing(night: FetchedNight) -> None:
    night.settled("mtn", "2:missing-1")
    mine = night.settled("mtn", "2:00000001")
    night.pay("mtn", id="00000001", amount="10.00", reference=mine)
    run = fetch(night.runtime(), night.run("mtn"))
    assert (run.state, run.complete) == ("fetched", False)
    assert run.missing == "1 of 2 accounts were not read (payments of an account: HTTP 404)"
    assert night.read(run) == {"2:00000001"}
    assert len([path for path in night.asked("bill") if "missing-1" in path]) == 1  # the same read would end the same
    fetch(night.runtime(), reopened(night, run))
    asked = Counter(path.partition("?")[0].rpartition("/")[2] for path in night.asked("bill"))
    assert asked == {"missing-1": 2, "00000001": 1}


def test_a_list_of_another_account_is_not_taken_for_this_ones(night: FetchedNight) -> None:
    """ubill's lists name no account: what we paid elsewhere gives them away."""
    other = night.settled("ubill", "4711", at=noon("ubill") - timedelta(days=30))
    night.settled("ubill", "4712")
    mixed, moved = night.settled("ubill", "4713"), night.settled("ubill", "4714")
    for account, comment in ((4712, other), (4713, mixed), (4713, moved), (4714, moved)):
        night.pay("ubill", account_id=account, amount="10.00", comment=comment, at=noon("ubill").isoformat())
    run = fetch(night.runtime(), night.run("ubill"))
    assert night.read(run) == {"4713", "4714"}  # a stray payment of ours alone makes no list another one's
    assert run.missing == (
        "1 of 3 accounts were not read (the list holds payments of ours to another account and none to this one)"
    )


def test_a_list_that_breaks_off_is_told_and_read_on_from_there_another_time(night: FetchedNight) -> None:
    for number in range(250):
        night.pay("billcenter", invoice_code=f"i-{number:03d}", amount="1.00")
    for code in ("i-000", "i-240"):  # on the last page and on the first
        night.settled("billcenter", code, at=noon("billcenter") - timedelta(days=9))

    def breaking(what: str, done: int, _total: int | None) -> None:
        if (what, done) == ("pages of the list", 2):
            strike(night, "billcenter", "invoices", "error_503")

    run = fetch(night.runtime(), night.run("billcenter"), breaking)
    assert not run.complete
    assert run.missing == "the list was not read to its end (page 3 of the list of invoices: HTTP 503)"
    assert [line["account"] for line in night.lines(run)] == ["i-240"]
    night.sandbox.clear_faults()
    before = len(night.asked("invoices"))
    run = fetch(night.runtime(), reopened(night, run))
    assert (run.complete, run.missing) == (True, None)
    assert [line["account"] for line in night.lines(run)] == ["i-240", "i-000"]
    assert ["page=3" in path for path in night.asked("invoices")[before:]] == [True]


def test_a_provider_that_answers_nothing_is_not_asked_for_every_account(night: FetchedNight) -> None:
    for number in range(100):
        night.settled("mtn", f"2:{4000 + number}")
    strike(night, "mtn", "bill", "error_503")
    run = fetch(night.runtime(), night.run("mtn"))
    assert (run.complete, run.missing) == (
        False,
        "100 of 100 accounts were not read (payments of an account: HTTP 503)",
    )
    assert len({path.partition("?")[0] for path in night.asked("bill")}) == fetching.CHUNK
    night.sandbox.clear_faults()
    run = fetch(night.runtime(), reopened(night, run))
    assert (run.complete, len(night.read(run))) == (True, 100)


def test_a_refused_login_ends_the_fetch_and_a_later_one_reads_everything(night: FetchedNight) -> None:
    mine = night.settled("ubill", "4711")
    night.pay("ubill", account_id=4711, amount="10.00", comment=mine, at=noon("ubill").isoformat())
    run = fetch(night.runtime(UBILL__API_KEY="made-up-wrong-key"), night.run("ubill"))
    assert not run.complete
    assert run.missing == (
        "1 of 1 accounts were not read; ubill lets no reads in (HTTP 401); check the credentials and their rights"
    )
    run = fetch(night.runtime(), reopened(night, run))
    assert ([line["marker"] for line in night.lines(run)], run.complete) == ([mine], True)


def test_a_halted_or_paused_lane_is_not_read(night: FetchedNight) -> None:
    night.settled("ubill", "4711")
    lanes.halt(night.connection, "ubill", "made-up reason")
    run = fetch(night.runtime(), night.run("ubill"))
    assert run.missing == "1 of 1 accounts were not read; the lane is halted: made-up reason"
    lanes.pause(night.connection, "ubill", "Ann")
    run = fetch(night.runtime(), reopened(night, run))
    assert run.missing == "1 of 1 accounts were not read; the lane is paused by Ann"
    assert night.asked("account_payments") == []


# The lane's rate


def test_reads_keep_to_half_of_the_lanes_rate(night: FetchedNight) -> None:
    for number in range(20):
        night.settled("mtn", f"2:{4000 + number}")
    begun = time.monotonic()
    run = fetch(night.runtime(MTN__RATE_PER_S="20"), night.run("mtn"))
    took_s = time.monotonic() - begun
    assert run.complete
    assert took_s >= 19 * 2 / 20 * 0.95
    assert night.value("SELECT rate_tokens < 20 FROM lanes WHERE provider = 'mtn'")


def test_a_run_that_was_fetched_is_left_alone(night: FetchedNight) -> None:
    night.settled("ubill", "4711")
    run = fetch(night.runtime(), night.run("ubill"))
    before = len(night.asked("account_payments"))
    assert fetch(night.runtime(), run) == run
    assert len(night.asked("account_payments")) == before

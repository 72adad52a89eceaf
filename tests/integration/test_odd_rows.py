"""A night with rows of strangers that can't be read: it ends complete and says how many they were; what may be ours
leaves its account unread. From raw sockets to the report and the command's exit."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.domain.discrepancies import Reconciliation
from shared.reconciliation.fetch import fetch
from shared.reconciliation.run import reconcile
from shared.reconciliation.tell import Outcome
from tests.support import mtn, ubill
from tests.support.billcenter import INVOICE, Billcenter, page
from tests.support.fetching import DAY, FetchedNight, noon
from tests.support.memory import jwt
from tests.support.raw_server import raw_server
from tests.support.sandbox import SandboxClient

ODD: list[Any] = [None, "x", 7, [], {}]


@pytest.fixture
def night(database_url: str) -> Iterator[FetchedNight]:
    night = FetchedNight(database_url, SandboxClient("http://127.0.0.1:9"))
    yield night
    night.connection.close()


@contextmanager
def answering(night: FetchedNight, provider: str, routes: dict[str, Any]) -> Iterator[FetchedNight]:
    """The provider answers so; without a route there is nothing."""
    if provider == "ubill":
        empty = {"/payments": ubill.reply({"status": True, "data": []})}
        fake: Any = ubill.Ubill({f"/v1{path}": route for path, route in (empty | routes).items()})
        base = "/v1"
    elif provider == "mtn":
        fake, base = mtn.FakeMtn({"login": mtn.token()} | routes), "/v1"
    else:
        token = mtn.reply({"access": jwt(3600), "refresh": jwt(86_400)})
        fake, base = Billcenter({"token": token} | routes), ""
    with raw_server(fake.script) as server:
        night.environment[f"SETTLEPIPE_{provider.upper()}__BASE_URL"] = server.url + base
        yield night


def at(hours: float = 0) -> str:
    """So many hours after noon in Georgia, as ubill writes it."""
    return (noon("ubill") + timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M:%S")


def row(comment: Any, amount: Any = "10", **changes: Any) -> dict[str, Any]:
    return ubill.row(comment, amount, date=at(), **changes)


def compared(night: FetchedNight, provider: str, folder: Path) -> Outcome:
    return reconcile(night.runtime(), provider, DAY, folder=folder)


def fetched(night: FetchedNight, provider: str) -> Reconciliation:
    return fetch(night.runtime(), night.run(provider))


def test_a_night_with_odd_rows_of_strangers_ends_complete_and_counts_them(night: FetchedNight, tmp_path: Path) -> None:
    mine = night.settled("ubill", "4711")
    account = ubill.rows(*ODD, row(mine), row("cash", None), row("cash", "3"))
    everything = {"status": True, "data": [*ODD, row("cash", {}, accountID="9"), row(mine, {}, accountID="4711")]}
    routes = {"/payments/account/4711": account, "/payments": ubill.reply(everything)}
    with answering(night, "ubill", routes):
        outcome = compared(night, "ubill", tmp_path)
    assert (outcome.run.complete, outcome.run.missing, outcome.run.unread) == (True, None, 0)
    assert (outcome.run.unreadable, outcome.run.lines) == (12, 2), "what an account's own list shows is not told twice"
    totals = {total.category.value: (total.local_minor, total.provider_minor) for total in outcome.run.totals}
    assert totals == {"matched": (1000, 1000), "paid_elsewhere": (0, 300)}
    told = json.loads((tmp_path / "summary.json").read_text())
    assert (told["complete"], told["unreadable"]) == (True, 12)
    assert "12 rows of strangers could not be read" in " ".join((tmp_path / "report.html").read_text().split())


def test_a_report_of_odd_rows_alone_does_not_say_that_everything_agrees(night: FetchedNight, tmp_path: Path) -> None:
    mine = night.settled("ubill", "4711")
    with answering(night, "ubill", {"/payments/account/4711": ubill.rows(row(mine), None)}):
        compared(night, "ubill", tmp_path)
    page_ = (tmp_path / "report.html").read_text()
    assert "1 row of strangers could not be read" in page_
    assert "What could be read agrees" in page_
    assert "Everything agrees" not in page_


def test_the_command_says_it_and_ends_well(night: FetchedNight, tmp_path: Path) -> None:
    mine = night.settled("ubill", "4711")
    home = {"SETTLEPIPE_HOME": str(tmp_path / "home"), "SETTLEPIPE_BROKER_URL": "redis://127.0.0.1:9/0"}  # not asked
    with answering(night, "ubill", {"/payments/account/4711": ubill.rows(row(mine), *ODD)}):
        told = []
        for more in ((), ("--json",)):
            command = [
                str(Path(sys.executable).with_name("settlepipe")),
                "reconcile",
                "ubill",
                "--date",
                DAY.isoformat(),
                *more,
            ]
            done = subprocess.run(
                [*command, "--out", str(tmp_path)],
                env={**os.environ, **night.environment, **home},
                cwd=Path(__file__).resolve().parents[2],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            told.append(done.stdout)
    assert "5 rows of strangers could not be read\n" in told[0]
    assert json.loads(told[1])["unreadable"] == 5


def test_an_odd_row_that_may_be_ours_leaves_its_account_unread(night: FetchedNight) -> None:
    """Ours is not listed, and one row can't be read: nobody can say that it is missing."""
    night.settled("ubill", "4711")
    other = night.settled("ubill", "4712")
    refused = night.settled("ubill", "4713", state="refused")
    routes = {
        "/payments/account/4711": ubill.rows(row("cash"), None),
        "/payments/account/4712": ubill.rows(row(other), None),
        "/payments/account/4713": ubill.rows(row({"mangled": refused[:10]})),
    }
    with answering(night, "ubill", routes):
        run = fetched(night, "ubill")
    assert night.read(run) == {"4712"}
    assert run.missing == (
        "2 of 3 accounts were not read (a payment of ours is not listed, and may be in a row that can't be read)"
    )
    assert run.unreadable == 1


def test_an_odd_row_with_our_reference_leaves_its_account_unread_though_ours_is_listed(night: FetchedNight) -> None:
    mine = night.settled("ubill", "4711")
    with answering(night, "ubill", {"/payments/account/4711": ubill.rows(row(mine), row(mine, None))}):
        run = fetched(night, "ubill")
    assert (night.read(run), run.complete, run.unreadable) == (set(), False, 0)


def test_what_nobody_knows_about_does_not_wait_for_odd_rows(night: FetchedNight) -> None:
    night.settled("ubill", "4711", state="unknown")
    with answering(night, "ubill", {"/payments/account/4711": ubill.rows(None)}):
        run = fetched(night, "ubill")
    assert (night.read(run), run.complete, run.unreadable) == ({"4711"}, True, 1)


def test_an_odd_row_of_the_list_with_a_reference_like_ours_leaves_the_list_unread(night: FetchedNight) -> None:
    mine = night.settled("ubill", "4711", at=noon("ubill") - timedelta(days=9))
    everything = ubill.reply({"status": True, "data": [row(mine, None, accountID="4711")]})
    with answering(night, "ubill", {"/payments": everything}):
        run = fetched(night, "ubill")
    assert (run.complete, run.unreadable) == (False, 0)
    assert run.missing == ("the list was not read to its end (a row that may be about a payment of ours can't be read)")


def test_an_amount_beyond_what_can_be_kept_is_odd_and_not_the_end(night: FetchedNight) -> None:
    mine = night.settled("mtn", "2:00000001")
    theirs = {"amount": "999999999999999.9999", "unit": "CLF"}
    listed = mtn.listed(mtn.paid(mine, paidAmount={"amount": "10", "unit": "GHS"}), mtn.paid("x", paidAmount=theirs))
    with answering(night, "mtn", {"read": listed}):
        run = fetched(night, "mtn")
    assert (run.complete, run.lines, run.unreadable) == (True, 1, 1)


def test_at_mtn_an_amount_of_ours_beyond_what_can_be_kept_leaves_the_account_unread(night: FetchedNight) -> None:
    mine = night.settled("mtn", "2:00000001")
    theirs = {"amount": "999999999999999.9999", "unit": "CLF"}
    with answering(night, "mtn", {"read": mtn.listed(mtn.paid(mine, paidAmount=theirs))}):
        run = fetched(night, "mtn")
    assert (run.complete, night.read(run)) == (False, set())


def invoice(code: Any, paid: Any, **changes: Any) -> dict[str, Any]:
    now = noon("billcenter").isoformat()
    return INVOICE | {"invoice_code": code, "amount_paid": paid, "updated_at": now, "status": "PAID"} | changes


def test_odd_invoices_that_we_never_paid_are_counted(night: FetchedNight, tmp_path: Path) -> None:
    night.settled("billcenter", "mine")
    ours = invoice("mine", "10.00", amount=7, deeplink={})
    rows = [*ODD, invoice("a", None), invoice("b", 7), ours, invoice("c", "1.00", amount=7, deeplink={"a": 1})]
    routes = {"invoices": lambda query: page(ours) if "invoice_code" in query else page(*rows)}
    with answering(night, "billcenter", routes):
        outcome = compared(night, "billcenter", tmp_path)
    assert (outcome.run.complete, outcome.run.unreadable) == (True, 7)
    assert [total.category.value for total in outcome.run.totals] == ["matched"]


def test_an_odd_invoice_that_we_once_paid_leaves_the_list_unread(night: FetchedNight) -> None:
    night.settled("billcenter", "mine", at=noon("billcenter") - timedelta(days=90))
    with answering(night, "billcenter", {"invoices": page(invoice("mine", None))}):
        run = fetched(night, "billcenter")
    assert (run.complete, "may be about a payment of ours" in str(run.missing)) == (False, True)


def test_what_was_found_is_not_closed_where_a_row_can_not_be_read_any_more(night: FetchedNight, tmp_path: Path) -> None:
    """The same row that was told as somebody else's money comes without its sum: it is not gone."""
    mine = night.settled("ubill", "4711")
    with answering(night, "ubill", {"/payments/account/4711": ubill.rows(row(mine), row("cash", "3"))}):
        assert compared(night, "ubill", tmp_path).open == 1
    next_day = DAY + timedelta(days=1)
    for odd, left in ((row("cash", None), 1), (None, 1), (row("bank", id="99"), 0)):
        night.connection.execute("DELETE FROM reconciliations WHERE day = %s", (next_day,))
        again = {"/payments/account/4711": ubill.rows(row(mine), odd)}
        with answering(night, "ubill", again):
            assert reconcile(night.runtime(), "ubill", next_day, folder=tmp_path).open == left

"""`settlepipe resolve` as a person runs it, against the sandbox: nothing is paid twice, nothing refused that was paid.

The sandbox's ledger is the witness.
"""

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from deploy.cli.main import main
from deploy.local.processes import sandbox_settings
from shared.database.engine import Row
from shared.directory.store import lists
from shared.domain.records import DirectoryRow
from shared.messaging.intake_stream import Entry
from shared.payments import release
from shared.payments.accept import accept
from shared.payments.dispatch import dispatch
from shared.runtime import Runtime
from shared.settings import load_settings
from shared.start import start
from tests.support.flow import REFERENCE_KEY, deliver
from tests.support.sandbox import SandboxClient

PAID_AT = datetime.now(UTC) - timedelta(days=9)  # days before it is sent
TARGETS: dict[str, tuple[str, dict[str, Any]]] = {
    "mtn": ("GHS", {"id_type": "Account Number", "id": "00700001", "customer_type": 2}),
    "ubill": ("GEL", {"account_id": 170114}),
    "billcenter": (
        "MNT",
        {"invoice_code": "037000007", "bs_customer_code": "543210", "biller_service_id": 140, "bank_code": "50004"},
    ),
}
DROPPED = {"mtn": {"references": "drop"}, "ubill": {"comments": "drop"}}
KEPT = {"mtn": {"references": "keep"}, "ubill": {"comments": "keep"}}
WHY = ("--reason", "the customer called", "--by", "Ann")


@dataclass
class Office:
    """A worker's runtime against the sandbox, and a person at the command line."""

    runtime: Runtime
    sandbox: SandboxClient
    run: Callable[..., tuple[int, str, str]]
    ahead_s: float = 0.0

    def sql(self, statement: str, *given: Any) -> list[Row]:
        with self.runtime.database.connection() as connection:
            cursor = connection.execute(statement, given or None)
            return cursor.fetchall() if cursor.description else []

    def later(self, seconds: float) -> None:
        self.ahead_s += seconds
        self.sql(
            "CREATE OR REPLACE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE AS"
            f" $$ SELECT now() + interval '{self.ahead_s} seconds' $$"
        )

    def pay(self, provider: str, intent_id: str, amount: str = "100.00", **changes: Any) -> None:
        """Accept an intent, and let the worker do what is due."""
        currency, target = TARGETS[provider]
        intent = {
            "source": "shop",
            "intent_id": intent_id,
            "provider": provider,
            "operation": "settle",
            "amount": amount,
            "currency": currency,
            "paid_at": PAID_AT.isoformat(),
            "target": target,
            **changes,
        }
        intent = {name: value for name, value in intent.items() if value is not None}
        assert accept(self.runtime, [Entry("settlepipe:intake", b"1-1", json.dumps(intent).encode(), {})]) == 1
        self.work(provider)

    def work(self, provider: str) -> None:
        release.release_refunds(self.runtime)
        deliver(self.runtime, dispatch(self.runtime, provider, lambda: 0).messages)

    def parked(self, provider: str, intent_id: str, **changes: Any) -> None:
        """A payment whose answer was lost, and whose ladder of checks ended with a person."""
        self.pay(provider, intent_id, **changes)
        for _ in range(8):
            if self.state(intent_id) == "parked":
                return
            self.later(30_000)
            self.work(provider)
        raise AssertionError(f"it is {self.state(intent_id)}")

    def state(self, intent_id: str) -> str:
        return str(self.sql("SELECT state FROM payments WHERE intent_id = %s", intent_id)[0]["state"])

    def applied(self, provider: str, operation: str = "settle") -> list[str]:
        """The amounts that the provider applied."""
        rows = self.sandbox.ledger()
        return [row["amount"] for row in rows if (row["provider"], row["operation"]) == (provider, operation)]

    def resolve(self, intent_id: str, answer: str, *given: str) -> tuple[int, str, str]:
        status, out, err = self.run("resolve", f"shop/{intent_id}", "--as", answer, *WHY, *given)
        assert max((len(line) for line in out.splitlines()), default=0) <= 80 or "--json" in given
        return status, out, err


@pytest.fixture
def environment(database_url: str, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", database_url)
    monkeypatch.setenv("SETTLEPIPE_BROKER_URL", broker_url)
    monkeypatch.setenv("SETTLEPIPE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SETTLEPIPE_SECRET_KEYS", json.dumps([Fernet.generate_key().decode()]))
    monkeypatch.setenv("SETTLEPIPE_REFERENCE_KEY", REFERENCE_KEY.get_secret_value())
    monkeypatch.setenv("SETTLEPIPE_HTTP__TOTAL_TIMEOUT_S", "1")
    monkeypatch.setenv("SETTLEPIPE_RETRY__DEADLINE_S", "60")  # in which billcenter's resends are parked


@pytest.fixture
def office(
    sandbox_process: SandboxClient,
    environment: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Office]:
    sandbox_process.reset()
    for name in TARGETS:
        for key, value in sandbox_settings(name, sandbox_process.url).items():
            monkeypatch.setenv(key, value)

    def run(*given: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(given)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out, err

    runtime = start(load_settings(), sends=True, pool_size=4)
    with runtime.database.transaction() as connection:
        rows = [DirectoryRow("1", "140", {"account": "9001400001", "currency": "MNT"})]
        lists.replace(connection, "billcenter", "bank_accounts", rows)
    try:
        yield Office(runtime, sandbox_process, run)
    finally:
        runtime.close()


@contextmanager
def weather(office: Office, provider: str, fault: str, **options: Any) -> Iterator[None]:
    """Meanwhile each settle meets this fault, and the provider behaves so."""
    office.sandbox.call("POST", f"{provider}/options", options)
    office.sandbox.set_faults({"provider": provider, "operation": "settle", "fault": fault})
    try:
        yield
    finally:
        office.sandbox.clear_faults()
        office.sandbox.call("POST", f"{provider}/options", KEPT.get(provider, {}))


def lost_reference(office: Office, provider: str, fault: str = "error_500_after", intent_id: str = "lost") -> None:
    """It was applied (unless the fault says otherwise), its answer was lost, and so was our reference."""
    office.pay(provider, "first", "1.00")  # this credential gives references back, usually
    assert office.state("first") == "succeeded"
    office.later(5)
    with weather(office, provider, fault, **DROPPED[provider]):
        office.parked(provider, intent_id)


@pytest.mark.parametrize("provider", ["mtn", "ubill"])
def test_what_was_applied_without_our_reference_is_not_paid_again(office: Office, provider: str) -> None:
    lost_reference(office, provider, "hang_after")
    assert office.applied(provider) == ["1.00", "100.00"]
    status, out, err = office.resolve("lost", "resend")
    assert status == 1
    [number] = _numbers(office, provider)
    currency = TARGETS[provider][0]
    for shown in (f"100.00 {currency}", number):
        assert shown in out
    assert "--although" in err
    assert err.count("\n") == 1
    for _ in range(3):
        office.later(1000)
        office.work(provider)
    assert (office.state("lost"), office.applied(provider)) == ("parked", ["1.00", "100.00"])
    status, out, _ = office.resolve("lost", "succeeded", "--line", number)
    assert (status, out.splitlines()[-1]) == (0, "shop/lost is succeeded")
    [row] = office.sql("SELECT provider_reference FROM payments WHERE intent_id = 'lost'")
    assert row["provider_reference"] == number


def _numbers(office: Office, provider: str) -> list[str]:
    """The provider's own numbers of what it lists without a reference of ours, as a person finds them."""
    status, out, _ = office.run("resolve", "shop/lost", "--as", "refused", *WHY, "--json")
    assert status == 1
    told = json.loads(out)
    assert (told["done"], told["state"], told["verdict"]) == (False, "parked", "inconclusive")
    return [line["number"] for line in told["lines"]]


@pytest.mark.parametrize("provider", ["mtn", "ubill"])
def test_although_pays_once_what_was_shown_and_not_what_has_come_since(office: Office, provider: str) -> None:
    lost_reference(office, provider, "error_500_before")
    another = office.applied(provider)
    _somebody_elses(office, provider)
    assert office.resolve("lost", "resend")[0] == 1
    _somebody_elses(office, provider)
    status, out, err = office.resolve("lost", "resend", "--although", "a cash desk's, their mail of today")
    assert (status, out.count("100.00")) == (1, 2)
    assert "was shown before" in err
    status, out, err = office.resolve("lost", "resend", "--although", "both are a cash desk's")
    assert (status, err) == (0, "")
    assert office.applied(provider) == another
    office.work(provider)
    assert (office.state("lost"), office.applied(provider)) == ("succeeded", [*another, "100.00"])
    history = json.loads(office.run("payment", "shop/lost", "--json")[1])["history"]
    decided = [entry for entry in history if entry["what"] == "resolution"]
    assert [(entry["action"], entry["although"]) for entry in decided] == [
        ("look", None),
        ("look", "a cash desk's, their mail of today"),
        ("resend", "both are a cash desk's"),
    ]
    assert len(decided[-1]["look"]["lines"]) == 2
    assert "although: both are a cash desk's" in " ".join(office.run("payment", "shop/lost")[1].split())


def _somebody_elses(office: Office, provider: str, amount: str = "100.00") -> None:
    """A payment of the same sum that is not ours comes to the account."""
    if provider == "ubill":
        office.sandbox.call("POST", "ubill/pay", {"account_id": 170114, "amount": amount, "comment": "cash desk 7"})
    else:
        office.sandbox.call("POST", "mtn/pay", {"id": "00700001", "amount": amount, "unit": "GHS"})


@pytest.mark.parametrize("provider", ["mtn", "ubill"])
def test_what_comes_between_the_decision_and_the_send_parks_it_again(office: Office, provider: str) -> None:
    lost_reference(office, provider, "error_500_before")
    assert office.state("lost") == "parked"
    _somebody_elses(office, provider)
    assert office.resolve("lost", "resend")[0] == 1
    assert office.resolve("lost", "resend", "--although", "a cash desk's")[0] == 0
    _somebody_elses(office, provider)
    before = office.applied(provider)
    office.work(provider)
    assert (office.state("lost"), office.applied(provider)) == ("parked", before)
    [row] = office.sql("SELECT detail FROM payments WHERE intent_id = 'lost'")
    assert "other than the person who decided saw" in row["detail"]


@pytest.mark.parametrize("provider", ["mtn", "ubill"])
def test_what_may_have_been_applied_is_not_refused(office: Office, provider: str) -> None:
    lost_reference(office, provider)
    status, out, err = office.resolve("lost", "refused")
    assert (status, office.state("lost")) == (1, "parked")
    assert "100.00" in out
    assert "--although" in err
    status, out, _ = office.resolve("lost", "refused", "--although", "they paid it back by letter")
    assert (status, office.state("lost")) == (0, "refused")


@pytest.mark.parametrize("provider", ["mtn", "ubill"])
@pytest.mark.parametrize("answer", ["resend", "refused", "succeeded"])
def test_what_the_books_show_succeeds_whatever_is_asked(office: Office, provider: str, answer: str) -> None:
    office.pay(provider, "first", "1.00")
    office.later(5)
    with weather(office, provider, "error_500_after"):
        office.pay(provider, "lost")
    office.sql("UPDATE payments SET state = 'parked', due_at = NULL WHERE intent_id = 'lost'")
    status, _, err = office.resolve("lost", answer)
    assert (status, office.state("lost")) == (1 if answer == "refused" else 0, "succeeded")
    assert ("is succeeded, not refused" in err) is (answer == "refused")
    office.later(1000)
    office.work(provider)
    assert office.applied(provider) == ["1.00", "100.00"]


@pytest.mark.parametrize("provider", ["mtn", "ubill"])
def test_what_the_books_do_not_show_is_sent_once(office: Office, provider: str) -> None:
    office.pay(provider, "first", "1.00")
    office.later(5)
    with weather(office, provider, "error_500_before"):
        office.pay(provider, "lost")
    office.sql("UPDATE payments SET state = 'parked', due_at = NULL WHERE intent_id = 'lost'")
    assert office.resolve("lost", "resend")[0] == 1, "the settle window is not over"
    office.later(1000)
    assert office.resolve("lost", "succeeded")[0] == 1, "the books say that it was not applied"
    status, out, _ = office.resolve("lost", "resend")
    assert status == 0
    assert "not applied" in out
    office.work(provider)
    office.later(1000)
    office.work(provider)
    assert (office.state("lost"), office.applied(provider)) == ("succeeded", ["1.00", "100.00"])


@pytest.mark.parametrize(
    ("provider", "nobody"),
    [("mtn", "hang_before"), ("ubill", "error_503"), ("ubill", "error_403"), ("billcenter", "error_401")],
)
def test_where_nobody_can_look_nothing_is_sent_or_refused(office: Office, provider: str, nobody: str) -> None:
    with weather(office, provider, "error_500_after"):
        office.pay(provider, "lost")
    office.sql("UPDATE payments SET state = 'parked', due_at = NULL WHERE intent_id = 'lost'")
    office.later(1000)
    applied = office.applied(provider)
    office.sandbox.set_faults({"provider": provider, "operation": "*", "fault": nobody})
    status, out, err = office.resolve("lost", "refused")
    assert (status, office.state("lost")) == (1, "parked")
    assert "nobody could look" in out
    assert "--although" in err
    assert office.resolve("lost", "resend")[0] == 0
    office.work(provider)
    assert (office.state("lost"), office.applied(provider)) == ("unknown", applied)
    if nobody != "error_403":  # that halts ubill's lane
        assert office.sql("SELECT provider FROM lanes WHERE halted_at IS NOT NULL") == []


def test_a_decision_at_a_provider_that_is_off_here_says_so(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    with weather(office, "mtn", "error_500_after"):
        office.pay("mtn", "lost")
    office.sql("UPDATE payments SET state = 'parked', due_at = NULL WHERE intent_id = 'lost'")
    monkeypatch.delenv("SETTLEPIPE_MTN__BASE_URL")
    status, out, err = office.resolve("lost", "resend")
    assert (status, out) == (1, "")
    assert "set SETTLEPIPE_MTN__BASE_URL" in err
    assert office.resolve("lost", "refused")[0] == 1
    assert office.resolve("lost", "refused", "--although", "by letter")[0] == 0
    assert office.state("lost") == "refused"


def test_a_billcenter_settle_shows_the_total_and_what_is_ours(office: Office) -> None:
    with weather(office, "billcenter", "error_500_after"):
        office.pay("billcenter", "lost")
        office.later(30_000)
        office.work("billcenter")
    if office.state("lost") != "parked":
        office.later(30_000)
        office.work("billcenter")
    assert office.state("lost") == "parked"
    status, out, err = office.resolve("lost", "resend")
    assert status == 1
    lines = json.loads(office.run("resolve", "shop/lost", "--as", "refused", *WHY, "--json")[1])["lines"]
    assert [(line["amount_paid"], line["of_ours"]) for line in lines] == [("100.00", "0.00")]
    assert lines[0]["amount_paid"] in out
    assert "whose money" in err
    assert office.resolve("lost", "resend", "--although", "billcenter promises that it is safe")[0] == 0
    office.work("billcenter")
    assert (office.state("lost"), office.applied("billcenter")) == ("succeeded", ["100.00"])


def test_a_billcenter_refund_is_not_made_again_on_a_total_that_does_not_tell(office: Office) -> None:
    office.pay("billcenter", "order")
    assert office.state("order") == "succeeded"
    office.later(1000)
    office.sandbox.call("POST", "billcenter/options", {"refund_lowers": False})
    office.sandbox.set_faults({"operation": "refund", "fault": "error_500_after"})
    office.parked("billcenter", "back", operation="refund", refund_of="order", target=None)
    office.sandbox.clear_faults()
    made = office.applied("billcenter", "refund")
    assert made == ["100.00"]
    status, out, err = office.resolve("back", "resend")
    assert status == 1
    assert out.count("100.00") == 3  # the total, what is ours, and the total before it
    assert "does not tell whether the refund was made" in err
    office.later(1000)
    office.work("billcenter")
    assert (office.state("back"), office.applied("billcenter", "refund")) == ("parked", made)


def test_wrong_use_is_said_before_anybody_is_asked(office: Office) -> None:
    with weather(office, "mtn", "error_500_after"):
        office.pay("mtn", "lost")
    before = len(office.sandbox.requests(operation="bill"))
    for given in (("--as", "maybe"), ("--as", "resend", "--although", " "), ("--as", "refused", "--line", "7")):
        status, out, err = office.run("resolve", "shop/lost", *given, *WHY)
        assert (status, out, err.count("\n")) == (2, "", 1)
    assert office.run("resolve", "shop/lost", "--as", "refused", "--although", "x", "--receipt", *WHY)[0] == 2
    assert len(office.sandbox.requests(operation="bill")) == before


@pytest.mark.parametrize("provider", ["mtn", "ubill"])
def test_a_payment_is_shown_with_what_the_books_show_now_and_nothing_is_changed(office: Office, provider: str) -> None:
    lost_reference(office, provider)
    before = office.sql("SELECT count(*) AS n FROM checks UNION ALL SELECT count(*) FROM resolutions")
    status, out, _ = office.run("payment", "shop/lost", "--look", "--json")
    shown = json.loads(out)
    assert (status, shown["state"]) == (0, "parked")
    assert [line["amount"] for line in shown["look"]["lines"]] == [f"100.00 {TARGETS[provider][0]}"]
    status, out, _ = office.run("payment", "shop/lost", "--look")
    assert (status, f"{provider}'s books, " in out) == (0, True)
    assert office.sql("SELECT count(*) AS n FROM checks UNION ALL SELECT count(*) FROM resolutions") == before
    status, out, _ = office.run(*shlex.split(shown["lookup"])[1:], "--json")
    assert (status, "100" in out) == (0, True), "the look-up is filled in"
    office.sql("UPDATE payments SET state = 'refused', finished_at = clock() WHERE intent_id = 'lost'")
    status, _, err = office.run("payment", "shop/lost", "--look")
    assert (status, shown["lookup"] in " ".join(err.split())) == (1, True)

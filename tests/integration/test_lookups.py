"""Providers with look-ups only, through the commands and the intake: tables, the kept catalogue, refusals."""

import json
from collections.abc import Callable, Iterator

import pytest
from cryptography.fernet import Fernet

from deploy.cli import output
from deploy.cli.main import main
from deploy.local import processes, up
from shared.messaging.intake_stream import Entry
from shared.payments.accept import accept
from shared.runtime import Runtime
from shared.settings import Settings, load_settings
from shared.start import start
from tests.support.bmms import ACCOUNT, AMOUNT, choice, document, select
from tests.support.raw_server import Connection, answer, raw_server

BILL = {
    "bill_term": "03/2031",
    "bill_due_date": "10-04-2031",
    "bill_no": "9001\x1b[2J\ud800",
    "invoice_amount": "1168.25",
    "expense_amount": "0.10",
    "expense_firm_amount": "1.20",
    "expense_dealer_amount": "2.30",
    "payment_order_no": "1",
    "partial_payment_allowed": "0",
    "subscriber_name": "AY****YI**** ",
}
REGION = select(3, "REGION", choice("71", titles={"en": "North"}), choice("72", titles={"en": "South"}))
LOST = select(4, "SERVICE", choice("10", "98"), requireField="REGION")
Run = Callable[..., tuple[int, str]]


class Providers:
    """What the two providers answer."""

    catalogue = document(AMOUNT, ACCOUNT, REGION, LOST)

    def script(self, connection: Connection) -> None:
        while (request := connection.request()) is not None:
            bills = {"status": 0, "code": "100", "message": None, "payload": [BILL]}
            found = self.catalogue if request.startswith(b"GET") else bills
            connection.send(answer(200, json.dumps(found).encode()))


@pytest.fixture
def providers(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Providers]:
    made = Providers()
    with raw_server(made.script) as server:
        monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", database_url)
        monkeypatch.setenv("SETTLEPIPE_SECRET_KEYS", json.dumps([Fernet.generate_key().decode()]))
        monkeypatch.setenv("SETTLEPIPE_REFERENCE_KEY", "a-made-up-key-of-references-for-tests")
        monkeypatch.setenv("SETTLEPIPE_BROKER_URL", "redis://127.0.0.1:1/0")
        for name in ("BMMS", "INVOICEPAYMENT"):
            monkeypatch.setenv(f"SETTLEPIPE_{name}__BASE_URL", server.url)
        yield made


@pytest.fixture
def run(providers: Providers, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*given: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(given)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out + err

    return command


@pytest.fixture
def runtime(providers: Providers) -> Iterator[Runtime]:
    found = start(load_settings(), pool_size=2)
    yield found
    found.database.dispose()


def put(runtime: Runtime, intent_id: str, provider: str, **changes: object) -> tuple[str, str]:
    """State and detail of an accepted intent."""
    document = {
        "intent_id": intent_id,
        "source": "shop",
        "provider": provider,
        "operation": "settle",
        "amount": "100.00",
        "currency": "UZS",
        "paid_at": "2026-11-21T03:24:12Z",
    } | changes
    raw = json.dumps(document).encode()
    assert accept(runtime, [Entry("settlepipe:intake", b"1-0", raw, {b"intent": raw})]) == 1
    with runtime.database.connection() as connection:
        row = connection.execute("SELECT state, detail FROM payments WHERE intent_id = %s", (intent_id,)).fetchone()
    assert row is not None
    return row["state"], row["detail"]


def test_a_bmms_settle_is_refused_with_every_mistake_that_the_kept_catalogue_shows(run: Run, runtime: Runtime) -> None:
    target = {"recipient_id": 900001, "fields": {"REGION": "71", "SERVICE": "998900000001", "more": "x"}}
    lead = "settle is not documented for bmms, so it is not supported; "
    state, detail = put(runtime, "o-1", "bmms", target=target)
    assert (state, "settlepipe refresh catalogue" in detail) == ("refused", True)
    assert run("refresh", "catalogue") == (0, "bmms catalogue: 1 new or changed, 0 closed\n")
    vars(runtime.directories["bmms"])["_looked_at"] = float("-inf")  # its copy may be a second old
    assert put(runtime, "o-2", "bmms", target=target) == (
        "refused",
        lead + "the amount is below the recipient's minimum of 500 UZS; field licence is missing; "
        "field SERVICE has no choice for the given REGION; the recipient has no field more",
    )
    unknown = {"recipient_id": 5, "fields": {}}
    assert put(runtime, "o-3", "bmms", target=unknown) == ("refused", lead + "the catalogue has no such recipient")
    right = {"recipient_id": 900001, "fields": {"licence": "1", "REGION": "71"}}
    assert "SERVICE" in put(runtime, "o-4", "bmms", target=right, amount="1000")[1]


def test_refunds_and_invoicepayment_are_refused_as_not_supported(runtime: Runtime) -> None:
    target = {"product_oid": "made-up", "subscriber_no1": "900000001"}
    said = "settle is not documented for invoicepayment, so it is not supported"
    assert put(runtime, "o-1", "invoicepayment", target=target, currency="TRY") == ("refused", said)
    assert put(runtime, "o-2", "invoicepayment", target=target)[1] == said + "; it takes TRY, not UZS"
    for provider in ("bmms", "invoicepayment"):
        state, detail = put(runtime, f"r-{provider}", provider, operation="refund", refund_of="o-1")
        assert (state, detail.startswith("refund is not documented")) == ("refused", True)


def test_a_catalogue_that_did_not_come_whole_leaves_the_kept_one(run: Run, providers: Providers) -> None:
    assert run("refresh", "catalogue")[0] == 0
    providers.catalogue = {**document(), "recipients": []}
    status, said = run("refresh", "catalogue")
    assert (status, said.count("\n")) == (1, 1)
    providers.catalogue = document(AMOUNT, ACCOUNT, REGION, LOST)
    assert run("refresh", "catalogue") == (0, "bmms catalogue: 0 new or changed, 0 closed\n")
    providers.catalogue = document(maxAmount=7_000_000, recipients=2)
    assert run("refresh", "catalogue", "--provider", "bmms") == (0, "bmms catalogue: 2 new or changed, 1 closed\n")


LOOK_UP = ("lookup", "invoicepayment", "invoices", "product_oid=x", "subscriber_no1=900000001")


def test_what_is_due_is_a_table_of_80_columns_whose_text_is_harmless(run: Run) -> None:
    status, said = run(*LOOK_UP)
    lines = said.splitlines()
    assert status == 0
    assert max(map(len, lines)) <= 80
    assert lines[0] == "to pay in this order, for AY****YI****"
    assert lines[1].split() == ["#", "bill", "term", "due", "amount", "expense", "firm", "dealer", "part"]
    bill = "9001\\x1b[2J\ufffd"
    assert lines[3].split() == ["1", bill, "2031-03", "2031-04-10", "1168.25", "0.10", "1.20", "2.30", "no"]


@pytest.mark.parametrize("width", [20, 40])
def test_on_a_narrow_screen_each_bill_is_a_block(run: Run, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "WIDTH", width)
    lines = run(*LOOK_UP)[1].splitlines()
    assert max(map(len, lines)) <= width
    assert ["amount", "1168.25"] in [line.split() for line in lines]


def test_programs_get_the_whole_bill(run: Run) -> None:
    status, said = run(*LOOK_UP, "--json")
    row = json.loads(said)
    assert (status, row["bill_no"], row["bill_term"]) == (0, "9001\x1b[2J\ufffd", "2031-03"), (
        "half a pair is no character"
    )


def test_recipients_are_shown_with_their_fields_under_them(run: Run) -> None:
    status, said = run("lookup", "bmms", "recipients", "search=water")
    assert status == 0
    assert "900001 Water 0 (Services; any amount; from 500 to 100000000 UZS)" in said
    words = [line.split() for line in said.splitlines()]
    assert ["REGION", "Region", "required", "71", "North"] in words
    assert ["72", "South"] in words
    assert max(map(len, said.splitlines())) <= 80
    assert run("lookup", "bmms", "recipients", "recipient_id=1") == (0, "no such recipient\n")
    assert "recipients" in run("lookup", "bmms")[1]


def test_a_provider_with_look_ups_only_has_no_lane(run: Run, runtime: Runtime) -> None:
    assert runtime.lanes == []
    listed = run("lanes", "--json")[1]
    assert "billcenter" in listed
    assert "bmms" not in listed
    for given in (("pause", "bmms", "--by", "b"), ("resume", "invoicepayment")):
        status, said = run("lanes", *given)
        assert (status, "look-ups only" in said) == (2, True)


def test_up_runs_workers_for_lanes_and_points_every_provider_at_the_sandbox() -> None:
    on = up._providers(Settings(), sandbox=True)
    assert {"billcenter", "bmms", "invoicepayment"} <= set(on)
    assert {"bmms", "invoicepayment"}.isdisjoint(up._lanes(on))
    assert "billcenter" in up._lanes(on)
    assert processes.sandbox_settings("no_such_provider", "http://x") == {}

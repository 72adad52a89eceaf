"""Look-ups by HTTP: what an operator allowed to a source, bounded, and nothing held in PostgreSQL meanwhile."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.support.bmms import ACCOUNT, AMOUNT, document
from tests.support.by_itself import LANE, NEEDED, running
from tests.support.door import Door, door, intent, within
from tests.support.raw_server import Connection, answer, raw_server

pytestmark = pytest.mark.only_large

ALLOWED = json.dumps({"shop": ["bmms.recipients", "invoicepayment.invoices"], "other": ["bmms.recipients"]})
BILL = {
    "bill_term": "03/2031",
    "bill_due_date": "10-04-2031",
    "bill_no": "9001",
    "invoice_amount": "1168.25",
    "expense_amount": "0.10",
    "expense_firm_amount": "1.20",
    "expense_dealer_amount": "2.30",
    "payment_order_no": "1",
    "partial_payment_allowed": "0",
    "subscriber_name": "AY****YI**** \ud800",
}


class Providers:
    """Two with look-ups. held: what is asked for is answered once it is set."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.held = threading.Event()
        self.held.set()
        self.status = 200

    def script(self, connection: Connection) -> None:
        while (request := connection.request()) is not None:
            self.asked.append(request)
            assert self.held.wait(120)
            bills = {"status": 0, "code": "100", "message": None, "payload": [BILL]}
            found = document(AMOUNT, ACCOUNT) if request.startswith(b"GET") else bills
            connection.send(answer(self.status, json.dumps(found).encode()))


@pytest.fixture
def providers() -> Iterator[Providers]:
    made = Providers()
    with raw_server(made.script) as server:
        made.url = server.url  # type: ignore[attr-defined]
        yield made
        made.held.set()


@pytest.fixture
def opened(providers: Providers, database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Door]:
    url = providers.url  # type: ignore[attr-defined]
    given = {"BMMS__BASE_URL": url, "INVOICEPAYMENT__BASE_URL": url, "WEB__LOOKUPS": ALLOWED, "WEB__LOOKUP_S": "8"}
    with door(database_url, broker_url, tmp_path, WEB__LOOKUP_THREADS="2", **given) as found:
        yield found


def test_a_source_asks_for_what_it_is_allowed_and_no_other_does(opened: Door, providers: Providers) -> None:
    shop, other, third = (opened.client(name) for name in ("shop", "other", "third"))
    offered = shop.get("/v1/lookups").told["lookups"]
    assert [one["path"] for one in offered] == ["/v1/lookups/invoicepayment/invoices", "/v1/lookups/bmms/recipients"]
    assert [one["required"] for one in offered[0]["parameters"]] == [True, True, False, False]
    found = shop.get("/v1/lookups/bmms/recipients?recipient_id=100162851&language=en")
    assert found.status == 200
    assert isinstance(found.told["answer"], list)
    assert found.headers["cache-control"] == "no-store"
    bills = shop.get("/v1/lookups/invoicepayment/invoices?product_oid=1&subscriber_no1=%C3%BC")
    assert bills.told["answer"][0]["bill_no"] == "9001"
    assert b'"subscriber_no1": "\\u00fc"' in providers.asked[-1]
    asked = len(providers.asked)
    assert [one["path"] for one in other.get("/v1/lookups").told["lookups"]] == ["/v1/lookups/bmms/recipients"]
    assert third.get("/v1/lookups").told == {"lookups": []}
    path = "/v1/lookups/invoicepayment/invoices?product_oid=1&subscriber_no1=2"
    for client in (other, third):
        assert (client.get(path).status, client.get(path).told["code"]) == (404, "not_found")
    for none in ("mtn/bill", "mars/bill", "bmms/nothing", "ubill/payments"):
        assert shop.get(f"/v1/lookups/{none}").status == 404
    assert len(providers.asked) == asked, "nobody else's question reached a provider"


def test_what_does_not_fit_is_told_and_asked_of_nobody(opened: Door, providers: Providers) -> None:
    shop = opened.client("shop")
    answer = shop.get("/v1/lookups/bmms/recipients?recipient_id=one&language=en&language=mn&colour=red&search=a%00b")
    assert (answer.status, answer.told["code"]) == (422, "bad_parameter")
    assert {one["place"] for one in answer.told["mistakes"]} == {"recipient_id", "language", "colour", "search"}
    answer = shop.get(f"/v1/lookups/invoicepayment/invoices?product_oid={'x' * 257}&subscriber_no2=..")
    assert {one["place"] for one in answer.told["mistakes"]} == {"product_oid", "subscriber_no1", "subscriber_no2"}
    assert providers.asked == []


def test_a_provider_that_gives_no_answer_or_a_bad_one_is_told_so_and_holds_nothing_up(
    opened: Door, providers: Providers, database_url: str
) -> None:
    shop, other = opened.client("shop"), opened.client("other")
    providers.status = 500
    answer = shop.get("/v1/lookups/bmms/recipients")
    assert (answer.status, answer.told["code"]) == (502, "lookup_failed")
    providers.status = 200
    providers.held.clear()
    before = len(providers.asked)
    with ThreadPoolExecutor(7) as threads:
        slow = [threads.submit(other.get, "/v1/lookups/bmms/recipients") for _ in range(7)]
        within(20, lambda: len(providers.asked) >= before + 2)
        assert shop.submit(intent("m1")).status == 202
        assert shop.get("/v1/payments").status == 200
        with psycopg.connect(database_url) as connection:
            busy = connection.execute(
                """SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                AND xact_start IS NOT NULL"""
            ).fetchall()
        assert busy == [], "no transaction is open while a provider is asked"
        told = Counter(one.result().told["code"] for one in slow)
    assert told == {"busy": 1, "provider_away": 6}, "two with the provider, four behind them, no more"
    providers.held.set()
    within(60, lambda: shop.get("/v1/lookups/bmms/recipients").status == 200)


def test_a_source_that_looks_up_too_much_waits_and_no_other_does(opened: Door) -> None:
    shop, other = opened.client("shop"), opened.client("other")
    told = [shop.get("/v1/lookups/bmms/recipients") for _ in range(40)]
    assert {one.status for one in told} == {200, 429}
    assert told[-1].told["code"] == "too_fast"
    assert other.get("/v1/lookups/bmms/recipients").status == 200
    assert shop.get("/v1/payments").status == 200


@pytest.mark.parametrize("name", ["ubill.sms_send", "ubill.payments", "mars.bill", "bill"])
def test_what_can_be_allowed_to_nobody_ends_the_start_with_a_sentence(
    name: str, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    urls = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, "UBILL__BASE_URL": "http://127.0.0.1:1/v1"}
    given = {**NEEDED, **LANE, **urls, "WEB__LOOKUPS": json.dumps({"shop": [name]})}
    with running("web", tmp_path, **given) as one:
        assert one.process.wait(60) == 2
        said = one.log.read_text()
        assert f"allows what can't be allowed (shop: {name})" in said
        assert "ubill.account" in said

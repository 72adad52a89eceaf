"""The flow on a real PostgreSQL against a scripted billcenter, one step at a time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from shared.database.engine import Row
from shared.directory.store import lists
from shared.domain.records import DirectoryRow
from shared.messaging.intake_stream import Entry
from shared.payments import release
from shared.payments.accept import accept
from shared.payments.dispatch import dispatch
from shared.runtime import Runtime
from shared.settings import Settings
from shared.settings.sections import BillcenterSettings, HttpSettings
from shared.start import start
from tests.support.billcenter import Billcenter, Handler, page, reply
from tests.support.flow import REFERENCE_KEY, deliver
from tests.support.memory import jwt
from tests.support.raw_server import answer, raw_server

INVOICE = "900000001"
SETTLE: dict[str, Any] = {
    "source": "shop",
    "provider": "billcenter",
    "operation": "settle",
    "amount": "100.00",
    "currency": "MNT",
    "paid_at": "2026-11-21T03:24:12Z",
    "target": {
        "invoice_code": INVOICE,
        "bs_customer_code": "300001",
        "biller_service_id": 140,
        "bank_code": "70001",
    },
}


@dataclass
class Pipeline:
    """runtime: what every process has. provider: the scripted billcenter; change its routes as you go."""

    runtime: Runtime
    provider: Billcenter
    ahead_s: float = 0.0

    def submit(self, *intents: dict[str, Any]) -> int:
        """Accept these intents in one batch; the number of new payments."""
        raws = [json.dumps(intent).encode() for intent in intents]
        return accept(self.runtime, [Entry("settlepipe:intake", b"1-1", raw, {}) for raw in raws])

    def settle(self, intent_id: str, **changes: Any) -> None:
        assert self.submit({**SETTLE, "intent_id": intent_id, **changes}) == 1

    def settled(self, intent_id: str, **changes: Any) -> None:
        """Accept a settle and have it succeed."""
        self.provider.routes["settle_payment"] = answer(200, b"")
        self.settle(intent_id, **changes)
        self.step()
        assert self.row(intent_id)["state"] == "succeeded"

    def refund(self, intent_id: str, of: str, **changes: Any) -> None:
        intent = {key: value for key, value in SETTLE.items() if key != "target"}
        assert self.submit({**intent, "operation": "refund", "intent_id": intent_id, "refund_of": of, **changes}) == 1

    def accounts(self, account: str = "9001") -> None:
        """Refresh the list of bank accounts."""
        rows = [DirectoryRow("1", "140", {"account": account, "currency": "MNT"})]
        with self.runtime.database.transaction() as connection:
            lists.replace(connection, "billcenter", "bank_accounts", rows)

    def step(self) -> int:
        """Release, dispatch once and do what the messages say; the number of messages."""
        release.release_refunds(self.runtime)
        batches = dispatch(self.runtime, "billcenter", lambda: 0).messages
        deliver(self.runtime, batches)
        return len(batches)

    def later(self, seconds: float) -> None:
        """Let the database's clock be this much further."""
        self.ahead_s += seconds
        self.sql(
            f"CREATE OR REPLACE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE AS"
            f" $$ SELECT now() + interval '{self.ahead_s} seconds' $$"
        )

    def sql(self, statement: str, *given: Any) -> list[Row]:
        with self.runtime.database.connection() as connection:
            cursor = connection.execute(statement, given or None)
            return cursor.fetchall() if cursor.description else []

    def row(self, intent_id: str) -> Row:
        return self.sql("SELECT * FROM payments WHERE intent_id = %s", intent_id)[0]

    def sent(self, path: str) -> int:
        """How many requests went to this path."""
        return sum(path in asked for asked in self.provider.paths)


@contextmanager
def pipeline(database_url: str, routes: dict[str, bytes | Handler], **section: Any) -> Iterator[Pipeline]:
    """A pipeline whose billcenter answers as `routes` say and lets everyone in."""
    fake = Billcenter({"token": reply({"access": jwt(3600), "refresh": jwt(86_400)}), **routes})
    with raw_server(fake.script) as server:
        settings = Settings(
            database_url=SecretStr(database_url),
            secret_keys=(SecretStr("A" * 43 + "="),),
            reference_key=REFERENCE_KEY,
            http=HttpSettings(connect_timeout_s=1, total_timeout_s=3, max_body_bytes=100_000),
            billcenter=BillcenterSettings(
                base_url=server.url, username="made-up-user", password=SecretStr("made-up-password"), **section
            ),
        )
        runtime = start(settings, sends=True, pool_size=8)
        try:
            made = Pipeline(runtime, fake)
            made.accounts()
            yield made
        finally:
            runtime.close()


def invoice(amount_paid: str, updated_at: str | None = "2026-06-12T06:45:06Z", status: str = "PENDING") -> bytes:
    """The books' answer about the one invoice of these tests."""
    return page(
        {
            "id": 7,
            "bs_customer_code": "300001",
            "invoice_code": INVOICE,
            "amount_paid": amount_paid,
            "updated_at": updated_at,
            "status": status,
        }
    )

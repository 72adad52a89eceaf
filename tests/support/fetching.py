"""Books in the sandbox and payments of ours that stand in them, for tests of what a fetch reads."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from cryptography.fernet import Fernet
from psycopg.rows import dict_row

from deploy.local.processes import sandbox_settings
from shared import lanes
from shared.database.engine import driver_url
from shared.domain.discrepancies import Reconciliation
from shared.domain.records import Period
from shared.providers import registry
from shared.reconciliation.store import runs
from shared.runtime import Runtime
from shared.settings import load_settings
from shared.start import start
from tests.support.references import new_reference
from tests.support.sandbox import SandboxClient

ZONES = {name: registration.zone for name, registration in registry.REGISTRATIONS.items()}
CURRENCIES = {"billcenter": "MNT", "ubill": "GEL", "mtn": "GHS"}
DAY = datetime.now(UTC).date() - timedelta(days=2)  # over in every zone
_FETCH = """
import sys
from datetime import date
from shared.start import start
from shared.reconciliation import fetch
from shared.settings import load_settings
from shared.reconciliation.store import runs
process = start(load_settings())
with process.database.connection() as connection:
    run = runs.get(connection, int(sys.argv[1]))
fetch.fetch(process, run)
"""


def noon(provider: str, day: date = DAY) -> datetime:
    """Noon of that day where the provider is."""
    return datetime.combine(day, time(12), ZoneInfo(ZONES[provider]))


@dataclass
class FetchedNight:
    """A migrated database, the sandbox, and settings that connect the two."""

    url: str
    sandbox: SandboxClient
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection = psycopg.connect(driver_url(self.url), autocommit=True, row_factory=dict_row)
        lanes.ensure(self.connection, sorted(registry.REGISTRATIONS))
        self.environment = {
            "SETTLEPIPE_DATABASE_URL": self.url,
            "SETTLEPIPE_SECRET_KEYS": f'["{Fernet.generate_key().decode()}"]',
            "SETTLEPIPE_RETRY__BASE_S": "0.01",
            **{k: v for name in CURRENCIES for k, v in sandbox_settings(name, self.sandbox.url).items()},
        } | self.environment

    def runtime(self, **changes: str) -> Runtime:
        """A process of the product; changes: settings of its own."""
        environment = self.environment | {f"SETTLEPIPE_{name}": value for name, value in changes.items()}
        before = dict(os.environ)
        os.environ.update(environment)
        try:
            return start(load_settings())
        finally:
            os.environ.clear()
            os.environ.update(before)

    def run(self, provider: str, day: date = DAY) -> Reconciliation:
        zone = ZoneInfo(ZONES[provider])
        start, end = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
        return runs.open_run(self.connection, provider, day, Period(start, end, ZONES[provider]))

    def process(self, run: Reconciliation) -> "subprocess.Popen[bytes]":
        """A process that fetches this run and nothing else."""
        return subprocess.Popen(
            [sys.executable, "-c", _FETCH, str(run.id)],
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, **self.environment},
        )

    def settled(self, provider: str, account: str, *, at: datetime | None = None, state: str = "succeeded") -> str:
        """A payment of ours of 10.00 under this account; its reference. at: when it ended, or came."""
        reference, key = new_reference(), f"{provider}:{account}"
        by_line = provider != "billcenter"
        final = state in ("succeeded", "refused", "cancelled")
        at = at or noon(provider)
        self.connection.execute(
            """INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places,
                paid_at, target, sent_reference, state, created_at, finished_at, possibly_sent, path, body, body_sha256,
                books_key, exclusive_key, due_at)
            VALUES (nextval('payment_ids'), 'shop', %(ref)s, %(provider)s, 'settle', 1000, %(currency)s, 2, %(at)s,
                '{}', %(ref)s, %(state)s, %(at)s, CASE WHEN %(final)s THEN %(at)s END, true, '/', 'x', sha256('x'),
                %(books)s, %(exclusive)s, CASE WHEN %(state)s = 'unknown' THEN clock() END)""",
            {
                "ref": reference,
                "provider": provider,
                "currency": CURRENCIES[provider],
                "at": at,
                "state": state,
                "final": final,
                "books": key if by_line else None,
                "exclusive": None if by_line else key,
            },
        )
        return reference

    def rows(self, statement: str, *given: Any) -> list[dict[str, Any]]:
        return self.connection.execute(statement, given).fetchall()

    def value(self, statement: str, *given: Any) -> Any:
        (row,) = self.rows(statement, *given)
        (value,) = row.values()
        return value

    def lines(self, run: Reconciliation) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM provider_lines WHERE run_id = %s ORDER BY number", run.id)

    def read(self, run: Reconciliation) -> set[str]:
        """The accounts that were read whole."""
        return {row["account"] for row in self.rows("SELECT * FROM provider_accounts WHERE run_id = %s", run.id)}

    def asked(self, operation: str) -> list[str]:
        """Paths of the sandbox's requests of this operation, in order."""
        return [row["path"] for row in self.sandbox.requests(operation=operation)]

    def pay(self, provider: str, **fields: Any) -> None:
        """Somebody pays, told by the sandbox's control."""
        self.sandbox.call("POST", f"{provider}/pay", fields)

    def options(self, provider: str, **options: Any) -> None:
        self.sandbox.call("POST", f"{provider}/options", options)

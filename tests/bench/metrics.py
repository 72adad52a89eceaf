"""`python -m tests.bench.metrics`: what a scrape takes with a million open payments beside many finished ones.

The exporter's own parts, on an embedded server with its own settings: counting, which is done at a pace, and what is
read for each scrape, with the page made of both.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from deploy.local.embedded import embedded_servers
from scheduler.exporter import page
from scheduler.gathered import Gathering
from shared.database import migrate
from shared.database.engine import driver_url
from shared.messaging import broker
from shared.settings import Settings

PROVIDERS: dict[str, Any] = {
    "ubill": {"base_url": "http://127.0.0.1:1/v1", "rate_per_s": 10},
    "mtn": {"base_url": "http://127.0.0.1:1/v1", "country_code": "GHA"},
}
# Open ones lie among the finished, the newest first of all; of twenty, ten wait, six are in doubt, four are held.
_PAYMENTS = """
INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at, target,
    sent_reference, state, finished_at, created_at, due_at, hold_reason, path, body, body_sha256, attempts, metadata)
SELECT n, 'shop', 'ord-' || n, CASE n %% 2 WHEN 0 THEN 'ubill' ELSE 'mtn' END, 'settle', 100 + n %% 100000, 'GEL', 2,
    now(), '{"account_id": 1}', substr(md5(n::text), 1, 20), state,
    CASE WHEN state = 'succeeded' THEN now() END, now() - n * interval '1 ms',
    CASE WHEN state IN ('waiting', 'unknown', 'sending', 'accepted') AND hold IS NULL
        THEN now() + (n %% 200 - 100) * interval '1 s' END, hold, '/payments/add', repeat('x', 300)::bytea,
    sha256(repeat('x', 300)::bytea), 1, '{"note": "made up, as long as they often are"}'
FROM (SELECT n, CASE WHEN open AND n %% 20 < 4 THEN 'no_account' END AS hold,
        CASE WHEN NOT open THEN 'succeeded' WHEN n %% 20 < 4 THEN 'accepted' WHEN n %% 20 < 10 THEN 'unknown'
            WHEN n %% 20 < 11 THEN 'parked' ELSE 'waiting' END AS state
      FROM (SELECT n, n > %(finished)s * 9 / 10 AND n %% %(each)s < %(open_each)s AS open
            FROM generate_series(1::bigint, %(all)s) n) a) t
"""


def fill(database_url: str, open_payments: int, finished: int) -> int:
    """So many payments, and a thousand events that wait; how many are open indeed."""
    every = open_payments + finished
    recent = every - finished * 9 // 10
    given = {"all": every, "finished": finished, "each": recent, "open_each": open_payments}
    with psycopg.connect(driver_url(database_url), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # nobody is told of these
        connection.execute("INSERT INTO lanes (provider) VALUES ('ubill'), ('mtn') ON CONFLICT DO NOTHING")
        connection.execute(_PAYMENTS, given)
        connection.execute("VACUUM ANALYZE payments")
        row = connection.execute("SELECT count(*) FROM payments WHERE finished_at IS NULL").fetchone()
    assert row is not None
    return int(row[0])


def timed(call: Any, times: int) -> list[float]:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append((time.perf_counter() - began) * 1000)
    return found


def main() -> None:
    """Fill, measure, show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--open", type=int, default=1_000_000)
    parser.add_argument("--finished", type=int, default=2_000_000)
    parser.add_argument("--times", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="settlepipe-bench-") as folder:
        home = Path(folder) / "home"
        settings = Settings(home=home, **PROVIDERS)
        with embedded_servers(home, settings) as servers:
            migrate.upgrade(servers.database_url)
            there = fill(servers.database_url, given.open, given.finished)
            with broker.connect(servers.broker_url) as client:
                gathering = Gathering(
                    settings.model_copy(update={"database_url": SecretStr(servers.database_url)}), client
                )
                counts = timed(gathering.count, 5)
                scrapes = timed(lambda: page(gathering.samples()), given.times)
    table = Table(title=f"{there:,} open payments beside {given.finished:,} finished ones, in ms")
    for column in ("", "median", "most"):
        table.add_column(column)
    for name, found in (("counting, at a pace", counts), ("a scrape", scrapes)):
        table.add_row(name, f"{statistics.median(found):.1f}", f"{max(found):.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()

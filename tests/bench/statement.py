"""`python -m tests.bench.statement`: a month of payments as a statement; seconds, memory and the size of its files.

The nights' own tables are filled directly: what is measured is what reads them. The statement is written in a process
of its own, whose memory at its highest is shown.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg

from deploy.local.embedded import embedded_servers
from shared.database import migrate
from shared.database.engine import driver_url
from shared.settings import Settings

PROVIDER, DAYS, FIRST = "billcenter", 30, date(2026, 11, 1)
SECONDS_LIMIT = 3600

_RUN = """
INSERT INTO reconciliations (provider, day, period_from, period_to, state, started_at, fetched_at, compared_at,
    carried_at, divided, totals, carried, hours)
VALUES (%(provider)s, %(day)s, %(from)s, %(from)s + interval '1 day', 'done', %(from)s + interval '25 hours',
    %(from)s + interval '25 hours', %(from)s + interval '25 hours', %(from)s + interval '25 hours', true,
    jsonb_build_array(
        jsonb_build_object('category', 'matched', 'currency', 'MNT', 'count', %(count)s::bigint, 'local_minor',
            %(count)s * 12345::bigint, 'provider_minor', %(count)s * 12345::bigint)), '[]', '[]') RETURNING id
"""
_PAYMENTS = """
INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at, target,
    created_at, state, possibly_sent, attempts, sent_reference, path, body, body_sha256, finished_at)
SELECT nextval('payment_ids'), 'shop' || n %% 5, 'ord-' || %(run)s || '-' || n, %(provider)s, 'settle', 12345, 'MNT', 2,
    %(from)s, '{}', %(from)s + n * interval '50 ms', 'succeeded', true, 1, md5(%(run)s || '-' || n), '/', 'x',
    sha256('x'), %(from)s + n * interval '50 ms' FROM generate_series(1, %(count)s) n
"""
_COMPARED = """
CREATE TABLE reconciled_payments_{run} AS SELECT {run}::bigint AS run_id, p.id AS payment_id, 'account ' || p.id %% 1000
    AS account, 'matched' AS category, p.state, p.finished_at, p.currency, p.amount_minor AS local_minor,
    p.amount_minor AS provider_minor FROM payments p WHERE p.finished_at >= %(from)s
    AND p.finished_at < %(from)s + interval '1 day'
"""
_ATTACH = "ALTER TABLE reconciled_payments ATTACH PARTITION reconciled_payments_{run} FOR VALUES IN ({run})"


def fill(url: str, count: int) -> None:
    """So many payments over a month of nights."""
    with psycopg.connect(driver_url(url), autocommit=True) as connection:
        connection.execute("SET timezone = 'Asia/Ulaanbaatar'")
        connection.execute("ALTER TABLE payments DISABLE TRIGGER USER")
        connection.execute("INSERT INTO lanes (provider) VALUES (%s) ON CONFLICT DO NOTHING", (PROVIDER,))
        for n in range(DAYS):
            given: dict[str, Any] = {"provider": PROVIDER, "day": FIRST + timedelta(days=n), "count": count // DAYS}
            given["from"] = f"{given['day']} 00:00+08"
            row = connection.execute(_RUN.replace("%(from)s", "%(from)s::timestamptz").encode(), given).fetchone()
            assert row is not None
            given["run"] = row[0]
            for statement in (_PAYMENTS, _COMPARED.format(run=row[0])):
                connection.execute(statement.replace("%(from)s", "%(from)s::timestamptz").encode(), given)
            connection.execute(_ATTACH.format(run=row[0]).encode())
        connection.execute("ANALYZE")


def write(url: str, folder: Path) -> dict[str, Any]:
    """The statement of the month; seconds, memory at its highest, and the sizes of the files."""
    os.environ["SETTLEPIPE_DATABASE_URL"] = url
    from cryptography.fernet import Fernet  # noqa: PLC0415 - the child counts the memory of what it needs only

    os.environ["SETTLEPIPE_SECRET_KEYS"] = json.dumps([Fernet.generate_key().decode()])
    from shared.reconciliation.statement import period  # noqa: PLC0415
    from shared.reconciliation.statement import write as statement  # noqa: PLC0415
    from shared.settings import load_settings  # noqa: PLC0415
    from shared.start import start  # noqa: PLC0415

    runtime = start(load_settings(), pool_size=2)
    began = time.monotonic()
    statement.write(
        runtime.database, runtime.registrations[PROVIDER], period.span("month", "2026-11"), folder, locale="en"
    )
    seconds = time.monotonic() - began
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    processor = round(time.process_time(), 1)
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": processor,
        "peak_mb": round(peak_kb / 1024),
        "bytes": sizes,
    }


def main() -> None:
    """Fill a database of its own, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.statement", description=__doc__)
    parser.add_argument("--payments", type=int, default=1_000_000)
    parser.add_argument("--child", nargs=2, metavar=("URL", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(write(asked.child[0], Path(asked.child[1]))))
        return
    with (
        tempfile.TemporaryDirectory(prefix="settlepipe-bench-") as place,
        embedded_servers(Path(place), Settings.model_construct(home=Path(place))) as servers,
    ):
        migrate.upgrade(servers.database_url)
        fill(servers.database_url, asked.payments)
        command = [sys.executable, "-m", "tests.bench.statement", "--child", servers.database_url, f"{place}/statement"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS_LIMIT)
        print(f"{asked.payments} payments: {done.stdout.splitlines()[-1]}")


if __name__ == "__main__":
    main()

"""`python -m tests.bench.reconciliation`: a night's comparison, and the same one by pandas beside it.

Both read the same tables and say the same: each category's count and sums, and a finding with its evidence for whatever
is not simply matched. settlepipe also keeps what it found, uses the evidence, carries the discrepancies on and writes
the accountants' report with all payments in it. Each runs in a process of its own, whose memory at its highest is
shown; the clock starts when the connection is there.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from deploy.local.embedded import embedded_servers
from shared.database import migrate
from shared.database.engine import driver_url
from shared.settings import Settings
from tests.bench.books import fill

SECONDS_LIMIT = 3600


def ours(url: str, run_id: int) -> dict[str, Any]:
    """Compare, use the evidence, carry the discrepancies on, report; seconds of each step, and the totals."""
    os.environ["SETTLEPIPE_DATABASE_URL"] = url
    from cryptography.fernet import Fernet  # noqa: PLC0415 - each child counts the memory of what it needs only

    os.environ["SETTLEPIPE_SECRET_KEYS"] = json.dumps([Fernet.generate_key().decode()])
    from shared.reconciliation import discrepancies, evidence  # noqa: PLC0415
    from shared.reconciliation import report as reports  # noqa: PLC0415
    from shared.reconciliation.compare import compare  # noqa: PLC0415
    from shared.reconciliation.store import runs  # noqa: PLC0415
    from shared.settings import load_settings  # noqa: PLC0415
    from shared.start import start  # noqa: PLC0415

    runtime = start(load_settings(), pool_size=2)
    with runtime.database.connection() as connection:
        run = runs.get(connection, run_id)
    seconds: dict[str, float] = {}
    run = timed(seconds, "compare", lambda: compare(runtime, run))
    timed(seconds, "evidence", lambda: evidence.use(runtime, run))
    timed(seconds, "discrepancies", lambda: discrepancies.update(runtime, run))
    with tempfile.TemporaryDirectory(prefix="settlepipe-report-") as folder:
        timed(seconds, "report", lambda: reports.write(runtime, run, Path(folder), "en"))
    totals = [[t.category.value, t.currency, t.count, t.local_minor, t.provider_minor] for t in run.totals]
    return {"seconds": seconds, "totals": sorted(totals)}


def pandas(url: str, run_id: int) -> dict[str, Any]:
    """The same by pandas: read both sides, merge, name, sum."""
    from tests.bench import by_pandas  # noqa: PLC0415

    seconds: dict[str, float] = {}
    with psycopg.connect(driver_url(url)) as connection:
        frames = timed(seconds, "read", lambda: by_pandas.read(connection, run_id))
    totals = timed(seconds, "compare", lambda: by_pandas.compare(*frames))
    return {"seconds": seconds, "totals": totals}


def timed(seconds: dict[str, float], name: str, step: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    result = step()
    seconds[name] = time.perf_counter() - began
    return result


def child(name: str, url: str, run_id: int) -> dict[str, Any]:
    """One contender in a process of its own; its report, with `peak_mb`. Raises RuntimeError."""
    command = [sys.executable, "-m", "tests.bench.reconciliation", "--child", name, url, str(run_id)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_LIMIT, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def measure(url: str, count: int, contenders: list[str]) -> dict[str, dict[str, Any]]:
    """All contenders on one set of books; settlepipe last, because it changes the payments."""
    run_id = fill(url, count)
    reports = {name: child(name, url, run_id) for name in contenders}
    if len({json.dumps(report["totals"]) for report in reports.values()}) > 1:
        raise RuntimeError(f"they don't agree: {reports}")
    return reports


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reconciliation", description=__doc__)
    parser.add_argument("--payments", type=int, nargs="+", default=[1_000_000, 10_000_000], help="of each size")
    parser.add_argument("--pandas-most", type=int, default=1_000_000, help="pandas takes part up to this size")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        name, url, run_id = arguments.child
        report = {"ours": ours, "pandas": pandas}[name](url, int(run_id))
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(report | {"peak_mb": peak_mb}))
        return
    table = Table("payments", "lines", "who", "steps, s", "total, s", "lines/s", "memory, MB")
    totals: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="settlepipe-bench-") as folder,
        embedded_servers(Path(folder), Settings.model_construct(home=Path(folder))) as servers,
    ):
        for count in arguments.payments:
            url = _new_database(servers.database_url, f"bench_{count}")
            contenders = (["pandas"] if count <= arguments.pandas_most else []) + ["ours"]
            for name, report in measure(url, count, contenders).items():
                total = sum(report["seconds"].values())
                steps = ", ".join(f"{step} {taken:.1f}" for step, taken in report["seconds"].items())
                shown = (f"{count:,}", f"{count:,}", name, steps, f"{total:.1f}", f"{count / total:,.0f}")
                table.add_row(*shown, f"{report['peak_mb']:.0f}")
            totals.append(total)
    Console(width=120).print(table)
    for count, total in zip(arguments.payments[1:], totals[1:], strict=True):
        first = arguments.payments[0]
        print(f"{count / first:.0f} times the payments took {total / totals[0]:.1f} times as long")


def _new_database(url: str, name: str) -> str:
    with psycopg.connect(driver_url(url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    fresh = url.rpartition("/")[0] + f"/{name}"
    migrate.upgrade(fresh)
    return fresh


if __name__ == "__main__":
    main()

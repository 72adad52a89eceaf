"""DBOS: a workflow for each payment, its one step the POST; both are recorded in PostgreSQL.

`python -m tests.bench.by_dbos` is a worker; it runs until SIGTERM.
"""

import os
import signal
import threading

from dbos import DBOS

from tests.bench.plain import session

QUEUE = "bench"
STAGED = "bench-staged"
_URL = os.environ["BENCH_PROVIDER_URL"] + "/api/third_party/settle_payment/"


@DBOS.step(name="post")  # type: ignore[untyped-decorator]
def post(body: dict[str, str]) -> None:
    session().post(_URL, json=body, timeout=30).raise_for_status()


@DBOS.workflow(name="settle")  # type: ignore[untyped-decorator]
def settle(body: dict[str, str]) -> None:
    post(body)


def main() -> None:
    """Run a worker."""
    threads = int(os.environ["BENCH_THREADS"])
    DBOS(
        config={
            "name": "bench",
            "system_database_url": os.environ["BENCH_DATABASE_URL"],
            "sys_db_pool_size": threads,
            "application_version": "1",
            "log_level": "WARNING",
        }
    )
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=threads, polling_interval_sec=0.05)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    print("ready", flush=True)
    ended.wait()
    DBOS.destroy()


if __name__ == "__main__":
    main()

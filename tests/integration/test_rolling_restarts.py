"""Workers are restarted one after the other under load: each payment goes out once, none is lost, none waits."""

import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.sandbox import SandboxClient
from tests.support.stack import wait_until
from tests.support.workers import Lane, lane

pytestmark = pytest.mark.timeout(1500)
RESTARTS = int(os.environ.get("RESTARTS", "8"))
RATE_PER_S, A_TIME = 200, 20
SENDERS = 16
LATENCY_S = 0.05  # of the provider: something is always on the wire
BACKLOG = 1000
OPEN = (
    "SELECT count(*) AS n, count(*) FILTER (WHERE state = 'dispatched') AS held FROM payments WHERE due_at IS NOT NULL"
)


@contextmanager
def load(lane: Lane) -> Iterator[None]:
    """RATE_PER_S payments a second, as far as the machine keeps up, until the block ends."""
    stop, numbers = threading.Event(), itertools.count(1)

    def feed() -> None:
        try:
            while not stop.is_set():
                began = time.monotonic()
                if lane.rows(OPEN)[0]["n"] < BACKLOG:
                    lane.pay(list(itertools.islice(numbers, A_TIME)))
                stop.wait(max(0.0, A_TIME / RATE_PER_S - (time.monotonic() - began)))
        except BaseException as error:
            lane.failures.append(error)

    thread = threading.Thread(target=feed, name="upstream")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.only_large
def test_each_payment_goes_out_once(database_url: str, broker_url: str, sandbox: SandboxClient, tmp_path: Path) -> None:
    sandbox.options(latency_s=LATENCY_S)
    with (
        lane(database_url, broker_url, sandbox, tmp_path, concurrency=SENDERS, in_flight=400) as running,
        running.dispatching(),
        ExitStack() as living,
    ):
        workers = [living.enter_context(running.worker(f"worker-{number}", "-c", str(SENDERS))) for number in (1, 2)]
        with load(running):
            for number in range(RESTARTS):
                oldest = workers.pop(0)
                print(f"it took {running.stopped(oldest):.1f} s to stop")
                workers.append(living.enter_context(running.worker(f"worker-{3 + number}", "-c", str(SENDERS))))
                before = running.counted("succeeded")
                wait_until(lambda before=before: running.counted("succeeded") > before, "it goes on")  # type: ignore[misc]
        # No lease of a dispatch ends so soon (120 s): what a worker held was given back.
        try:
            wait_until(lambda: running.rows(OPEN)[0]["n"] == 0, "every payment ends", 15)
        finally:
            print(running.rows(OPEN))
        _went_out_once(running)


def _went_out_once(running: Lane) -> None:
    paid = {row["sent_reference"] for row in running.rows("SELECT sent_reference FROM payments")}
    asked = running.sandbox.by_reference()
    assert asked.keys() == paid
    assert {(at["settle"]["applied"], at["settle"]["requests"]) for at in asked.values()} == {(1, 1)}
    attempts = """SELECT count(*) FILTER (WHERE meaning = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE kind = 'not_sent') AS given_back, count(*) AS n FROM attempts"""
    (row,) = running.rows(attempts)
    print(f"{len(paid)} payments, {row['given_back']} claims given back")
    assert row["succeeded"] == len(paid)
    assert row["succeeded"] + row["given_back"] == row["n"]

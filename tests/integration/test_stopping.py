"""A lane's worker that is asked to stop: nothing begins, what it holds goes back, what is on the wire ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import stopping
from tests.support.sandbox import SandboxClient
from tests.support.stack import wait_until
from tests.support.workers import DEADLINE_S, Lane, lane

pytestmark = pytest.mark.timeout(300)
SENDERS, PAYMENTS = 4, 100
WITHIN_S = DEADLINE_S + stopping.LANE_S + 1
OPEN = "SELECT payment_id, number FROM attempts WHERE ended_at IS NULL"
SENT = "SELECT min(ended_at) AS first, max(ended_at) AS last, count(*) AS n FROM attempts WHERE meaning <> 'not_sent'"
GIVEN_BACK = """SELECT count(*) AS n, coalesce(sum(attempts), 0) AS attempts, count(DISTINCT due_at) AS times,
    max(due_at) AS last FROM payments WHERE state = 'dispatched'"""


@pytest.fixture
def slow(database_url: str, broker_url: str, sandbox: SandboxClient, tmp_path: Path) -> Iterator[Lane]:
    with lane(database_url, broker_url, sandbox, tmp_path, concurrency=SENDERS) as found:
        yield found


def all_senders_busy(lane: Lane, hangs_s: float) -> None:
    """Payments are accepted and dispatched; return when every sender is on the wire."""
    lane.sandbox.set_faults({"operation": "settle", "fault": "hang_before", "delay_s": hangs_s})
    lane.pay(range(1, PAYMENTS + 1))
    with lane.dispatching():
        wait_until(lambda: len(lane.sandbox.requests(operation="settle")) >= SENDERS, "every sender is on the wire")


@pytest.mark.parametrize("hangs_s", [DEADLINE_S / 2, 60])
def test_while_every_call_hangs(slow: Lane, hangs_s: float) -> None:
    with slow.worker("first", "-c", str(SENDERS)) as worker:
        all_senders_busy(slow, hangs_s)
        assert slow.stopped(worker) < WITHIN_S
    assert slow.late_attempts(worker) == []
    assert slow.rows(OPEN) == [], "what was on the wire is recorded"
    (sent,) = slow.rows(SENT)
    assert SENDERS <= sent["n"] <= 2 * SENDERS
    (back,) = slow.rows(GIVEN_BACK)
    assert back["n"] > PAYMENTS / 2
    assert (back["attempts"], back["times"]) == (0, 1), "never claimed, and given back by one statement"
    assert back["last"] < sent["last"], "while calls were still on the wire"


def test_while_postgres_is_frozen(slow: Lane) -> None:
    """What was on the wire can't be recorded: it is left as the death of a process leaves it."""
    with slow.worker("first", "-c", str(SENDERS)) as worker:
        all_senders_busy(slow, 60)
        with slow.frozen_database():
            assert slow.stopped(worker, 1) < WITHIN_S
    assert slow.rows(OPEN) != []


def test_while_the_broker_is_frozen(slow: Lane) -> None:
    """All is recorded and given back, and the process ends without the broker."""
    with slow.worker("first", "-c", str(SENDERS)) as worker:
        all_senders_busy(slow, DEADLINE_S / 2)
        with slow.frozen_broker():
            assert slow.stopped(worker) < WITHIN_S
    assert slow.late_attempts(worker) == []
    assert slow.rows(OPEN) == []
    (back,) = slow.rows(GIVEN_BACK)
    assert back["n"] > PAYMENTS / 2
    assert back["times"] == 1

"""A lane that stands still while its worker holds messages: what is not begun goes back, without a claim for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sandbox import SandboxClient
from tests.support.stack import wait_until
from tests.support.workers import DEADLINE_S, Lane, lane

pytestmark = pytest.mark.timeout(300)
SENDERS, PAYMENTS = 4, 100
HELD = "SELECT count(*) AS n, min(due_at) AS first FROM payments WHERE state = 'dispatched' AND due_at > clock()"
BACK = """SELECT count(*) AS n, count(DISTINCT due_at) AS times, max(due_at) AS last FROM payments
    WHERE state = 'dispatched'"""


@pytest.fixture
def slow(database_url: str, broker_url: str, sandbox: SandboxClient, tmp_path: Path) -> Iterator[Lane]:
    with lane(database_url, broker_url, sandbox, tmp_path, concurrency=SENDERS) as found:
        yield found


def test_what_is_not_begun_goes_back_by_the_message_and_goes_out_once_the_lane_runs(slow: Lane) -> None:
    slow.sandbox.set_faults({"operation": "settle", "fault": "hang_before", "delay_s": DEADLINE_S / 2})
    slow.pay(range(1, PAYMENTS + 1))
    with slow.worker("first", "-c", str(SENDERS)):
        with slow.dispatching():
            wait_until(lambda: len(slow.sandbox.requests(operation="settle")) >= SENDERS, "every sender is on the wire")
            wait_until(lambda: slow.rows(HELD)[0]["n"] > PAYMENTS / 2, "the others wait for one")
        slow.rows("UPDATE lanes SET paused_at = clock()")
        (held,) = slow.rows(HELD)
        wait_until(lambda: slow.rows(HELD)[0]["n"] == 0, "nothing is held any more")
        (back,) = slow.rows(BACK)
        assert back["last"] < held["first"], "no lease had to run out"
        assert back["n"] > PAYMENTS / 2
        assert back["times"] <= back["n"] / 2, "given back by the message, not one by one"
        slow.sandbox.set_faults()
        slow.rows("UPDATE lanes SET paused_at = NULL")
        with slow.dispatching():
            wait_until(lambda: slow.counted("succeeded") == PAYMENTS, "all are paid")

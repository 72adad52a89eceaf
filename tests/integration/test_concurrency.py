"""A worker sends with as many threads as its own lane may have, whatever Celery and the other lanes have."""

from pathlib import Path

import pytest

from tests.support.sandbox import SandboxClient
from tests.support.stack import wait_until
from tests.support.workers import DEADLINE_S, lane

pytestmark = pytest.mark.timeout(300)
SENDERS = 3
# What fails is recorded by its own sender, so an attempt lasts as long as its sender is busy.
AT_ONCE = """SELECT max((SELECT count(*) FROM attempts b
    WHERE b.started_at <= a.started_at AND coalesce(b.ended_at, 'infinity') > a.started_at)) AS n FROM attempts a"""


def test_a_worker_obeys_its_own_lane(
    database_url: str, broker_url: str, sandbox: SandboxClient, tmp_path: Path
) -> None:
    sandbox.set_faults({"operation": "settle", "fault": "hang_before"})
    another = {"UBILL__BASE_URL": sandbox.ubill_url, "UBILL__CONCURRENCY": "32"}
    with (
        lane(database_url, broker_url, sandbox, tmp_path, concurrency=SENDERS, lot=1) as slow,
        slow.worker("first", "-c", "16", **another),
    ):
        slow.pay(range(1, 101))
        with slow.dispatching():
            ended = "SELECT count(*) AS n FROM attempts WHERE ended_at IS NOT NULL"
            wait_until(lambda: slow.rows(ended)[0]["n"] > 2 * SENDERS, "two rounds are over", 4 * DEADLINE_S)
        assert slow.rows(AT_ONCE) == [{"n": SENDERS}]

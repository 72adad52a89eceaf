"""Whatever dies or freezes while payments are under way: none is lost, none is applied twice, none waits for ever.

In `make test` the same is done at once, by chaos; here it is one after the other."""

import random
import signal
import time

import pytest

from shared.runtime import STALE_S
from tests.support import audit, intents
from tests.support.stack import LEASE_S, Stack, is_alive, wait_until
from tests.support.traffic import Traffic, traffic

pytestmark = pytest.mark.only_large

PROCESSES = ("worker-billcenter-1", "dispatcher", "intake", "relay", "valkey", "postgres")
LATENCY_S = 0.1  # of the provider: something is always on the wire
KILLS = 3
FREEZE_S = max(LEASE_S, STALE_S) + 0.5  # every lease has run out, and every claim is too old to be used


def _let_some_be_under_way(up: Stack, source: str, more_than: int) -> None:
    """Return when payments beyond `more_than` are in the database and some of all are still open."""
    statement = """SELECT count(*) > %s AND count(*) FILTER (WHERE finished_at IS NULL) > 0 AS busy
        FROM payments WHERE source = %s"""
    wait_until(lambda: up.query(statement, more_than, source)[0]["busy"], "payments are under way", 20, pause_s=0.02)


def _all_is_well(up: Stack, source: str, running: Traffic, *, broker_lost: bool) -> None:
    """Every payment succeeded, exactly once, and all of it was told. Only a broken broker's upstream sends again."""
    audit.wait_ended(up, source, running.sent, 60, resend=broker_lost)
    found = audit.check_all(up, source, running.sent)
    wrong = [row for row in found.values() if row["state"] != "succeeded"]
    assert not wrong, audit.described(wrong)


@pytest.mark.parametrize("victim", PROCESSES)
def test_killed(up: Stack, source: str, victim: str) -> None:
    """SIGKILL at seeded random moments in mid-flight."""
    rng = random.Random(f"kill {victim}")
    up.sandbox.options(latency_s=LATENCY_S)
    with traffic(up, source) as running:
        for _ in range(KILLS):
            _let_some_be_under_way(up, source, len(running.sent))
            time.sleep(rng.uniform(0, 0.3))  # the random moment
            up.kill(victim)
        _let_some_be_under_way(up, source, len(running.sent))
    assert up.process.poll() is None
    _all_is_well(up, source, running, broker_lost=victim == "valkey")


@pytest.mark.parametrize("victim", PROCESSES)
def test_frozen_for_longer_than_a_lease(up: Stack, source: str, victim: str) -> None:
    """SIGSTOP, and SIGCONT when every lease that it held has run out."""
    up.sandbox.options(latency_s=LATENCY_S)
    with traffic(up, source) as running:
        _let_some_be_under_way(up, source, 20)
        with up.frozen(victim):
            time.sleep(FREEZE_S)
        _let_some_be_under_way(up, source, len(running.sent))
    _all_is_well(up, source, running, broker_lost=victim == "valkey")


def test_broker_wiped(up: Stack, source: str) -> None:
    """FLUSHALL in mid-flight: what was accepted goes on, what was not is the upstream's to send again."""
    up.sandbox.options(latency_s=LATENCY_S)
    with traffic(up, source) as running, up.broker() as broker:
        for wiped_beyond in (30, 60):
            _let_some_be_under_way(up, source, wiped_beyond)
            broker.flushall()
        _let_some_be_under_way(up, source, 90)
    before = audit.payments(up, source)
    up.submit(running.sent)  # all of them: what was accepted already is not taken again
    _all_is_well(up, source, running, broker_lost=True)
    after = audit.payments(up, source)
    assert {i: row["id"] for i, row in after.items() if i in before} == {i: row["id"] for i, row in before.items()}


def test_all_workers_killed_between_a_refunds_call_and_its_outcome(up: Stack, source: str) -> None:
    """The provider made the refunds and its answers were lost with the workers: they are found, not made again."""
    numbers = range(1, 9)
    settles = [intents.settle(source, number) for number in numbers]
    up.submit(settles)
    audit.wait_ended(up, source, settles)
    for number in numbers:  # another bank pays too: a refund made twice would find the money for it
        up.sandbox.call("POST", "billcenter/pay", {"invoice_code": f"{source}-{number}", "amount": "5000.00"})
    up.sandbox.set_faults({"operation": "refund", "fault": "hang_after"})
    refunds = [intents.refund(source, number) for number in numbers]
    up.submit(refunds)

    def on_the_wire() -> list[str]:
        return [row["invoice_code"] for row in up.sandbox.ledger() if row["operation"] == "refund"]

    wait_until(lambda: sum(code.startswith(f"{source}-") for code in on_the_wire()) == len(refunds), "refunds hang", 20)
    workers = {name: pid for name, pid in up.pids.items() if name.startswith("worker-billcenter-")}
    assert len(workers) == 2
    for name in workers:
        up.signal_tree(name, signal.SIGKILL)
    wait_until(
        lambda: all(up.pids[name] != pid and is_alive(up.pids[name]) for name, pid in workers.items()), "workers run"
    )
    up.sandbox.clear_faults()

    audit.wait_ended(up, source, settles + refunds)
    found = audit.check_all(up, source, settles + refunds)
    assert audit.states(found) == {"succeeded": 16}
    unrecorded = up.query(
        """SELECT count(*) AS n FROM attempts a JOIN payments p ON p.id = a.payment_id
        WHERE p.source = %s AND p.operation = 'refund' AND a.ended_at IS NULL""",
        source,
    )
    assert unrecorded == [{"n": len(refunds)}], "the workers died before they could write any outcome"

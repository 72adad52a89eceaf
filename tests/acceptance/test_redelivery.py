"""Celery delivers messages again now and then: that must change nothing."""

import signal

import redis

from shared.messaging import queues, tasks
from tests.support import audit, intents
from tests.support.stack import Stack, wait_until

COUNT = 150
QUEUE = queues.lane_queue("billcenter")
UNACKED = "unacked"  # where kombu keeps what was delivered and not acknowledged
WORKERS = ("worker-billcenter-1", "worker-billcenter-2")


def test_every_celery_message_delivered_three_times_changes_nothing(up: Stack, source: str) -> None:
    settles = [intents.settle(source, number) for number in range(1, COUNT + 1)]
    refunds = [one for number in range(COUNT + 1, COUNT + 11) for one in intents.refundable(source, number)]
    all_ = settles + refunds
    up.sandbox.options(latency_s=0.05)
    with up.broker() as broker:
        left = broker.hlen(UNACKED)
        for worker in WORKERS:
            up.signal_tree(worker, signal.SIGSTOP)
        try:
            up.submit(settles)
            wait_until(lambda: _dispatched(up, source) >= COUNT, "all are dispatched", 20)
            wait_until(lambda: broker.llen(QUEUE) > 0, "their messages are on the queue")
            messages = broker.lrange(QUEUE, 0, -1)
            broker.rpush(QUEUE, *messages, *messages)
        finally:
            for worker in WORKERS:
                up.signal_tree(worker, signal.SIGCONT)
        up.submit(refunds)
        audit.wait_ended(up, source, all_)
        _wait_for_empty_lane(broker, left)
        first = audit.check_all(up, source, all_)
        assert audit.states(first) == {"succeeded": len(all_)}
        asked = up.sandbox.by_reference()
        assert {asked[row["reference"]][row["operation"]]["requests"] for row in first.values()} == {1}, (
            "sent once each"
        )
        assert {row["attempts"] for row in first.values()} == {1}

        _publish_again(up, [row["id"] for row in first.values()])
        _wait_for_empty_lane(broker, left)
    assert audit.check_all(up, source, all_) == first
    assert up.sandbox.by_reference() == asked, "nothing was sent for a payment that had ended"


def _dispatched(up: Stack, source: str) -> int:
    rows = up.query("SELECT count(*) AS n FROM payments WHERE source = %s AND state = 'dispatched'", source)
    return int(rows[0]["n"])


def _publish_again(up: Stack, payment_ids: list[int]) -> None:
    """Send and check tasks for every payment, twice, some ids together and some alone."""
    app = tasks.celery_app(up.told["broker_url"])
    batches = [
        (task, payment_ids[start : start + 25])
        for task in (tasks.SEND, tasks.CHECK)
        for start in range(0, len(payment_ids), 25)
    ]
    alone = [(task, [payment_id]) for task in (tasks.SEND, tasks.CHECK) for payment_id in payment_ids[:20]]
    tasks.publish(app, "billcenter", [*batches, *batches, *alone, *alone])
    app.close()


def _wait_for_empty_lane(broker: "redis.Redis", left: int) -> None:
    """No message waits or is being worked on. left: those that killed workers have not acknowledged, from before."""
    wait_until(lambda: not broker.llen(QUEUE) and broker.hlen(UNACKED) <= left, "the lane's queue is empty", 20)

"""The intake process itself: what one entry can cost everybody else, and what becomes of it."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from shared.domain.kept import KEPT_BYTES
from shared.messaging import broker
from shared.messaging.intake_entry import INTAKE_FIELD
from shared.messaging.intake_stream import GROUP, Entry, Intake
from shared.payments.accept import MAX_DELIVERIES
from tests.support.intake_process import STREAM, Locked, Running, intake, left, locked, put, rows, wait_until

HUGE = 64 * 1024 * 1024
MIB = 1024 * 1024
SETTLE = {
    "source": "shop",
    "provider": "billcenter",
    "operation": "settle",
    "amount": "100.00",
    "currency": "MNT",
    "paid_at": "2026-11-21T03:24:12Z",
    "target": {"invoice_code": "900000001", "bs_customer_code": "300001", "biller_service_id": 140},
}


def good(number: int) -> bytes:
    return json.dumps(SETTLE | {"intent_id": f"ord-{number}"}).encode()


@pytest.fixture
def client(broker_url: str) -> Iterator["redis.Redis"]:
    with broker.connect(broker_url) as client:
        client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        yield client


@pytest.fixture
def running(database_url: str, broker_url: str, client: "redis.Redis") -> Iterator[Running]:
    """An intake that has read something before."""
    with intake(database_url, broker_url) as running:
        put(client, good(0))
        wait_until(lambda: left(client) == 0, "the first intent is accepted")
        yield running


ODD = {
    "backslashes": b"\\" * 32_000,
    "backslashes_in_an_intent": json.dumps(SETTLE | {"intent_id": "b", "metadata": {"a": "\\" * 15_000}}).encode(),
    "combining_marks": ("\u0301\u0323" * 16_000).encode(),
    "huge_list": b"[" + b"0," * (HUGE // 2) + b"0]",
    "huge_backslashes": b"\\" * HUGE,
    "huge_number": b'{"amount": ' + b"9" * HUGE + b"}",
    "huge_nesting": b"[" * HUGE,
}


@pytest.mark.parametrize("name", ODD)
def test_a_good_intent_behind_an_odd_one_is_accepted_soon(
    database_url: str, client: "redis.Redis", running: Running, name: str
) -> None:
    before_s, before_bytes = running.processor_s, running.most_memory_bytes
    put(client, ODD[name], good(1))
    wait_until(lambda: left(client) == 0, "both are off the queue")
    assert running.processor_s - before_s < 3
    assert running.most_memory_bytes - before_bytes < 4 * len(ODD[name]) + 64 * MIB
    assert len(rows(database_url, "SELECT FROM payments")) == 2 + (name == "backslashes_in_an_intent")


def test_a_batch_is_bounded_by_its_bytes_and_what_is_too_long_is_cut(
    database_url: str, client: "redis.Redis", running: Running
) -> None:
    """They wait together, and the intake never holds more than one of them."""
    before_bytes = running.most_memory_bytes
    running.process.send_signal(19)  # frozen, so that all of them are there when it goes on
    try:
        large = [b'{"n": %d, "a": "' % number + b"x" * (16 * MIB) for number in range(16)]
        put(client, *large, good(1))
    finally:
        running.process.send_signal(18)
    wait_until(lambda: left(client) == 0, "all are off the queue")
    assert running.most_memory_bytes - before_bytes < 7 * 16 * MIB
    kept = rows(database_url, "SELECT sha256, raw, whole_bytes, reason FROM quarantine ORDER BY id")
    assert [bytes(row[0]) for row in kept] == [hashlib.sha256(raw).digest() for raw in large]
    assert [bytes(row[1]) for row in kept] == [raw[:KEPT_BYTES] for raw in large]
    assert [row[2] for row in kept] == [len(raw) for raw in large]
    assert all("the limit is 65536" in row[3] for row in kept)
    assert len(rows(database_url, "SELECT FROM payments")) == 2


BATCH = 5


@pytest.fixture
def two_in_hand(database_url: str, broker_url: str, client: "redis.Redis") -> Iterator[tuple[Running, Locked]]:
    """An intake that waits in the transaction of a full batch and has read the next one; two more entries are there."""
    with (
        intake(database_url, broker_url, INTAKE__BATCH=str(BATCH)) as running,
        locked(database_url, "intent_keys") as before,
        ThreadPoolExecutor() as pool,
        ExitStack() as stack,
    ):
        put(client, good(0))  # by itself: it is what the intake waits for
        wait_until(lambda: before.waiting() == 1, "the first intent is being committed")
        behind = pool.submit(stack.enter_context, locked(database_url, "intent_keys"))
        wait_until(lambda: before.waiting() == 2, "the next commit will have to wait, too")
        put(client, *(good(number) for number in range(1, 2 * BATCH + 3)))
        before.release()
        lock = behind.result()
        wait_until(lock.waiting, "a batch is being committed")
        assert client.xpending(STREAM, GROUP)["pending"] == 2 * BATCH
        yield running, lock


def test_a_burst_is_accepted_in_its_order_though_the_next_batch_is_read_ahead(
    database_url: str, client: "redis.Redis", two_in_hand: tuple[Running, Locked]
) -> None:
    put(client, b"no intent", good(3), *(good(number) for number in range(2 * BATCH + 3, 5 * BATCH)))
    two_in_hand[1].release()
    wait_until(lambda: left(client) == 0, "all are off the queue")
    accepted = rows(database_url, "SELECT intent_id FROM payments ORDER BY id")
    assert [row[0] for row in accepted] == [f"ord-{number}" for number in range(5 * BATCH)]
    assert len(rows(database_url, "SELECT FROM quarantine")) == 1


def test_what_is_read_ahead_is_accepted_before_a_stop_and_nothing_more_is_read(
    database_url: str, client: "redis.Redis", two_in_hand: tuple[Running, Locked]
) -> None:
    running, lock = two_in_hand
    running.process.terminate()
    lock.release()
    assert running.process.wait(60) == 0
    assert client.xpending(STREAM, GROUP)["pending"] == 0
    accepted = rows(database_url, "SELECT intent_id FROM payments ORDER BY id")
    assert [row[0] for row in accepted] == [f"ord-{number}" for number in range(2 * BATCH + 1)]
    assert client.xlen(STREAM) == 2


def test_of_two_batches_in_hand_nothing_is_lost_or_told_twice_when_the_session_ends(
    database_url: str, client: "redis.Redis", two_in_hand: tuple[Running, Locked]
) -> None:
    lock = two_in_hand[1]
    lock.end_waiting()
    lock.release()
    wait_until(lambda: left(client) == 0, "all are off the queue")
    accepted = rows(database_url, "SELECT intent_id FROM payments")
    assert sorted(row[0] for row in accepted) == sorted(f"ord-{number}" for number in range(2 * BATCH + 3))
    # Each was accepted and, as its provider is off, refused.
    assert rows(database_url, "SELECT count(*) FROM events") == [(2 * (2 * BATCH + 3),)]
    assert rows(database_url, "SELECT count(*) FROM outbox WHERE asked > 1") == [(0,)], "none came twice"


def test_an_entry_that_ends_its_reader_ends_no_other_and_is_put_aside_in_the_end(
    database_url: str, broker_url: str, client: "redis.Redis"
) -> None:
    raw = json.dumps(SETTLE | {"intent_id": "last", "metadata": {"a": "the end"}}).encode()
    put(client, *(good(number) for number in range(1, 4)), raw, *(good(number) for number in range(4, 7)))
    quick = {"INTAKE__RECLAIM_IDLE_S": "0.2"}

    def ends() -> None:
        with intake(database_url, broker_url, mortal=True, **quick) as running:
            assert running.process.wait(60) == -9

    ends()
    pending: Any = client.xpending_range(STREAM, GROUP, "-", "+", 10)
    assert len(pending) == 7, "they were one batch"
    mortal = pending[3]["message_id"]
    client.xclaim(STREAM, GROUP, "gone", 0, [mortal], retrycount=MAX_DELIVERIES - 1, justid=True)
    ends()
    assert client.xpending_range(STREAM, GROUP, mortal, mortal, 1)[0]["times_delivered"] == MAX_DELIVERIES
    with intake(database_url, broker_url, mortal=True, **quick):
        wait_until(lambda: left(client) == 0, "everything is off the queue")
    ((sha256, kept, reason),) = rows(database_url, "SELECT sha256, raw, reason FROM quarantine")
    assert (bytes(sha256), bytes(kept)) == (hashlib.sha256(raw).digest(), raw)
    assert "whoever read it ended" in reason
    accepted = rows(database_url, "SELECT intent_id FROM payments ORDER BY 1")
    assert [row[0] for row in accepted] == [f"ord-{number}" for number in range(1, 7)]


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["intent", "1", "traceparent", TRACE], (b"1", TRACE)),
        (["traceparent", TRACE, "intent", "1"], (b"1", TRACE)),
        (["intent", "1", "traceparent", "nonsense"], (b"1", None)),
        (["intent", "1", "traceparent", TRACE.upper()], (b"1", None)),
        (
            ["intent", "1", "traceparent", TRACE.replace("00-0af7651916cd43dd8448eb211c80319c", "00-" + "0" * 32)],
            (b"1", None),
        ),
        (["intent", "1", "traceparent", TRACE + "\n"], (b"1", None)),
        (["intent", "1", "traceparent", TRACE, "traceparent", TRACE], (None, None)),
        (["intent", "1", "traceparent", TRACE, "other", "x"], (None, None)),
        (["traceparent", TRACE], (None, None)),
    ],
)
def test_a_trace_may_stand_beside_an_intent(
    client: "redis.Redis", fields: list[str], expected: tuple[bytes | None, str | None]
) -> None:
    client.execute_command("XADD", STREAM, "*", *fields)  # type: ignore[no-untyped-call]
    (entry,) = _one(client).read(10, 1000)
    assert (entry.raw, entry.traceparent) == expected


def _one(client: "redis.Redis", **given: Any) -> Intake:
    return Intake(client, [STREAM], "one", 0.0, **given)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("scripts", [True, False])
def test_every_way_of_reading_shows_the_same_and_keeps_to_the_bound(
    client: "redis.Redis", protocol: int, scripts: bool
) -> None:
    if not scripts:
        rules = ["on", ">made-up", "~*", "+@all", "-@scripting"]
        client.execute_command("ACL", "SETUSER", "no-scripts", "reset", *rules)  # type: ignore[no-untyped-call]
    try:
        place = client.connection_pool.connection_kwargs
        secret = {"username": "no-scripts", "password": "made-up"} if not scripts else {"password": place["password"]}
        with redis.Redis(host=place["host"], port=place["port"], protocol=protocol, **secret) as own:
            _reads(own)
    finally:
        client.execute_command("ACL", "DELUSER", "no-scripts")  # type: ignore[no-untyped-call]


def _reads(client: "redis.Redis") -> None:
    reader = _one(client, max_bytes=1000)
    raws = [b"%d" % number + b"x" * 300 for number in range(9)]
    put(client, *raws)
    client.execute_command("XADD", STREAM, "*", "intent", "1", "intent", "2")  # type: ignore[no-untyped-call]
    client.xadd(STREAM, {"intent": "", "other": "y"})
    found: list[list[Entry]] = []
    while batch := reader.read(100, 1):
        found.append(batch)
    assert [len(batch) for batch in found] == [4, 4, 3]
    entries = [entry for batch in found for entry in batch]
    assert [entry.raw for entry in entries] == [*raws, None, None]
    assert entries[-2].fields == {INTAKE_FIELD: b"1\nintent=2"}
    assert entries[-1].fields == {INTAKE_FIELD: b"", b"other": b"y"}
    put(client, b"late")
    assert [entry.raw for entry in reader.read(100, 5000)] == [b"late"]
    taken = list(_one(client).reclaim(100))
    assert [(entry.raw, entry.deliveries) for entry in taken] == [(e.raw, 2) for e in [*entries, *taken[-1:]]]
    reader.forgive(taken[:1])
    assert [entry.deliveries for entry in _one(client).reclaim(100)][:2] == [2, 3]
    reader.acknowledge(taken)
    assert left(client) == 0


def test_what_is_taken_over_is_taken_one_at_a_time(client: "redis.Redis") -> None:
    put(client, b"1", b"2", b"3")
    assert len(_one(client).read(100, 1)) == 3
    taken = _one(client).reclaim(100)
    assert next(taken).raw == b"1"
    pending: Any = client.xpending_range(STREAM, GROUP, "-", "+", 10)
    assert [row["times_delivered"] for row in pending] == [2, 1, 1]


def test_no_stream_starves_another(client: "redis.Redis") -> None:
    client.xgroup_create("other", GROUP, id="0", mkstream=True)
    reader = Intake(client, ["other", STREAM], "one", 0.0, max_bytes=1)
    for stream in ("other", STREAM):
        for _ in range(3):
            client.xadd(stream, {INTAKE_FIELD: b"x"})
    assert {entry.stream for _ in range(2) for entry in reader.read(100, 1)} == {"other", STREAM}

"""Payments in the archive: how they get there, where their rows are, and many of them at once."""

import threading
from collections.abc import Callable
from typing import Any

from shared.archive.retire import retire
from shared.archive.twins import FOLLOW_UPS, TABLES, every
from shared.payments.release import release_refunds
from shared.settings.sections import RetentionSettings
from tests.support.decided import decide
from tests.support.flow import AGAIN, LOOK, UNCLEAR, World

DAY_S = 86_400.0
KEEP_S = 400 * DAY_S


def relayed(world: World) -> None:
    """As if the relay had carried everything."""
    world.execute("DELETE FROM outbox")


def years_later(world: World, seconds: float = 3 * 365 * DAY_S) -> int:
    """Everything is relayed, time passes, the daily job runs; how many payments it moved."""
    relayed(world)
    world.advance(seconds)
    return retire(world.runtime, limit=1000)


def places(world: World, payment_id: int, table: str = "payments") -> str:
    """Where this table's rows of the payment are: hot, archived, both or none."""
    key = "id" if table == "payments" else "payment_id"
    hot = world.value(f"SELECT count(*) FROM {table} WHERE {key} = %s", payment_id)
    archived = world.value(f"SELECT count(*) FROM archive.{table} WHERE {key} = %s", payment_id)
    return {(True, False): "hot", (False, True): "archived", (True, True): "both"}.get((hot > 0, archived > 0), "none")


def whole(world: World, payment_id: int) -> dict[str, list[Any]]:
    """All rows of a payment, wherever they are."""
    return {
        table: world.rows(
            f"SELECT * FROM {every(table)} t WHERE {'id' if table == 'payments' else 'payment_id'} = %s"
            " ORDER BY t::text",
            payment_id,
        )
        for table in TABLES
    }


def rich(world: World) -> int:
    """A payment that was sent, checked, parked, decided on by a person, and has a receipt."""
    payment_id = world.pay("safe", receipt={"register": "", "email": "a@example.com"})
    world.safe.answers.append(AGAIN)
    world.run()
    world.advance(100)
    world.safe.answers.append(LOOK)
    world.run()
    world.advance(100)
    for _ in range(10):
        world.safe.verdicts.append(UNCLEAR)
        world.run()
        world.advance(30_000)
    assert world.state(payment_id) == "parked"
    decide(world, payment_id, "succeeded")
    world.run()
    assert world.value(f"SELECT state FROM {FOLLOW_UPS} WHERE payment_id = %s", payment_id) == "issued"
    return payment_id


def intent_of(world: World, payment_id: int) -> str:
    return str(world.value(f"SELECT intent_id FROM {every('payments')} p WHERE id = %s", payment_id))


def refunded(world: World, settle_id: int, amount: str, *answers: object) -> int:
    """A refund of this settle, released; sent if answers are given."""
    refund = world.pay(refund_of=intent_of(world, settle_id), amount=amount)
    release_refunds(world.runtime)
    if answers:
        world.safe.answers.extend(answers)
        world.run()
    return refund


def meanwhile(verb: Callable[[], Any]) -> Callable[[], None]:
    """Run this in a thread; what is returned waits for its end."""
    thread = threading.Thread(target=verb)
    thread.start()
    return lambda: thread.join(120)


def small_batches(world: World, batch: int = 50) -> None:
    """Let retire look at so few payments at a time."""
    settings = world.runtime.settings
    object.__setattr__(settings, "retention", RetentionSettings(batch=batch))


def many(world: World, count: int) -> None:
    """So many succeeded payments with an attempt and two events each: of five, three are settles, and the last one of
    these has two refunds."""
    world.execute(
        """INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at,
            target, refund_of, sent_reference, state, finished_at, settle_id, path, body, body_sha256)
        SELECT n, 'shop', 'old-' || n, 'safe', CASE WHEN settle IS NULL THEN 'settle' ELSE 'refund' END, 100, 'MNT', 2,
            clock(), '{}', 'old-' || settle, 'ref-' || n, 'succeeded', clock(), settle, '/', 'x', sha256('x')
        FROM (SELECT n, CASE WHEN n %% 5 IN (3, 4) THEN n / 5 * 5 + 2 END AS settle FROM generate_series(5, %s) n) t""",
        count + 4,
    )
    world.execute("INSERT INTO intent_keys SELECT source, intent_id, sha256(intent_id::bytea), id FROM payments")
    world.execute(
        """INSERT INTO events (payment_id, event_id, type, subject, data)
        SELECT p.id, p.id || '-' || n, 'settlepipe.payment.' || CASE n WHEN 1 THEN 'accepted' ELSE 'succeeded' END,
            source || '/' || intent_id, payment_row(p) FROM payments p, generate_series(1, 2) n"""
    )
    relayed(world)
    world.execute(
        """INSERT INTO attempts SELECT id, 1, created_at, created_at, created_at, 1, body_sha256, 'succeeded'
        FROM payments"""
    )
    world.execute("ALTER SEQUENCE payment_ids RESTART WITH 10000000")


def assert_whole(world: World, count: int) -> None:
    """Each payment is in one place with all that belongs to it, and families are together."""
    assert world.value(f"SELECT count(*) FROM {every('payments')} p") == count
    assert world.value(f"SELECT count(DISTINCT id) FROM {every('payments')} p") == count
    for here in ("", "archive."):
        there = world.value(f"SELECT count(*) FROM {here}payments")
        assert world.value(f"SELECT count(*) FROM {here}events JOIN {here}payments p ON p.id = payment_id") == 2 * there
        assert world.value(f"SELECT count(*) FROM {here}attempts JOIN {here}payments p ON p.id = payment_id") == there
        apart = f"SELECT count(*) FROM {here}payments r LEFT JOIN {here}payments s ON s.id = r.settle_id"
        assert world.value(f"{apart} WHERE r.settle_id IS NOT NULL AND s.id IS NULL") == 0
    for table, each in (("events", 2), ("attempts", 1)):
        assert world.value(f"SELECT count(*) FROM {every(table)} t") == each * count

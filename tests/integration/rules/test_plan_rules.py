"""No statement of the flow reads a whole table of payments, attempts or events, however many there are."""

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest

from scheduler.late import late
from scheduler.schedule import SCHEDULE
from shared.archive.retire import retire
from shared.events import feed, outbox
from shared.follow_ups.ask import end_unsendable
from shared.metrics.store.counted import counted
from shared.metrics.store.snapshot import snapshot
from shared.metrics.store.standing import standing
from shared.payments import lots, release, views
from shared.payments.recorder import Recorder
from shared.runtime import Runtime
from shared.webhooks import views as hooks
from tests.support.archived import many
from tests.support.flow import ABSENT, AGAIN, LOOK, NO, OK, World
from tests.support.hooked import Hooked
from tests.support.plans import STATEMENT, heard
from tests.support.receiver import receiving

COUNT = 8_000
LARGE = {"payments", "attempts", "checks", "events", "follow_ups", "resolutions", "intent_keys"}

BELONGING = (
    "INSERT INTO checks SELECT id, 1, created_at, 'applied', 'it is there', '{}' FROM payments",
    """INSERT INTO follow_ups (payment_id, kind, provider, state, due_at, reference, finished_at)
    SELECT id, 'sms', 'ubill', 'issued', NULL, id::text, created_at FROM payments""",
    """INSERT INTO resolutions (payment_id, action, from_state, reason, by_whom)
    SELECT id, 'succeeded', 'parked', 'seen', 'ann' FROM payments""",
)

Given = Mapping[str, Any] | tuple[Any, ...] | list[Any] | None
Said = dict[str, Given]  # each statement with the parameters that it was executed with last


@pytest.fixture
def filled(own_world: World) -> World:
    """A store with many finished payments, and as many in the archive."""
    many(own_world, COUNT)
    for statement in BELONGING:
        own_world.execute(statement)
    own_world.execute("INSERT INTO archive.payments SELECT * FROM payments")
    own_world.execute("UPDATE archive.payments SET id = id + 1000000, sent_reference = sent_reference || '-a'")
    for table in ("attempts", "checks", "events", "follow_ups", "resolutions"):
        own_world.execute(f"INSERT INTO archive.{table} OVERRIDING SYSTEM VALUE SELECT * FROM {table}")
    own_world.execute("ANALYZE")
    return own_world


@pytest.fixture
def said(filled: World) -> Iterator[Said]:
    """What the product says to PostgreSQL from here on; the test's own connection is left out."""
    found: Said = {}

    def hear(cursor: "psycopg.Cursor[Any]", query: str, params: Given) -> None:
        if cursor.connection is not filled.connection and STATEMENT.match(query):
            found[query] = params

    with heard(hear):
        yield found


def whole_reads(plan: Any) -> Iterator[str]:
    """The large tables that this plan reads from beginning to end."""
    if isinstance(plan, list):
        for part in plan:
            yield from whole_reads(part)
    elif isinstance(plan, dict):
        if plan.get("Node Type") == "Seq Scan" and plan["Relation Name"] in LARGE:
            yield f"{plan.get('Schema', '')}.{plan['Relation Name']} as {plan['Alias']}"
        for part in plan.values():
            yield from whole_reads(part)


def reads_whole(world: World, statement: str, given: Given) -> list[str]:
    (row,) = world.connection.execute(f"EXPLAIN (FORMAT JSON, VERBOSE) {statement}".encode(), given).fetchall()
    return sorted(whole_reads(row["QUERY PLAN"]))


def a_day(world: World) -> None:
    """Every verb of the flow that runs again and again, once at least."""
    runtime: Runtime = world.runtime
    paid = world.settled("safe", OK)
    world.settled("safe", AGAIN)
    world.settled("safe", NO)
    world.careful.verdicts.append(ABSENT)
    world.settled("careful", LOOK)
    world.advance(600)
    world.run("careful")
    world.run("safe")
    in_a_lot(world)
    refund = world.document(refund_of="ord-1", amount="1.00")
    world.accept(refund, refund, world.document())
    release.release_refunds(runtime)
    release.release_directory_holds(runtime, "safe")
    release.refresh_wanted(runtime, "safe")
    end_unsendable(runtime)
    release.free_invoices(runtime)
    with runtime.database.connection() as connection:
        turn = outbox.begin(connection, 1)
        assert turn is not None
        events = outbox.pending(connection, 500)
        outbox.carried(connection, events, "1-1", turn.number)
        outbox.end_replay(connection, turn.number)
        horizon = feed.Horizon().look(connection)
        feed.page(connection, "shop", horizon - 100, horizon, 10)
        feed.held(connection, "shop", horizon - 100)
        views.page(connection, "shop", "ord-1", state="succeeded", provider="safe", limit=10)
    with snapshot(runtime.database, 60) as connection:
        counted(connection)
        standing(connection, dict.fromkeys(("safe", "careful"), 1.0))
        late(connection, SCHEDULE)
    webhooks(world)
    retire(runtime, 1)
    assert world.state(paid) == "succeeded"


def in_a_lot(world: World) -> None:
    """Sixteen payments, claimed together and recorded together."""
    world.accept(*(world.document() for _ in range(16)))
    names = [(payment_id, str(world.named(payment_id)[1])) for payment_id in world.dispatched()]  # type: ignore[index]
    put = Recorder(world.runtime).put
    for later in [lots.send(world.runtime, one, put)[1] for one in lots.claim(world.runtime, names)]:
        assert later is not None
        later()


def webhooks(world: World) -> None:
    """One with events that wait, and a replay of all."""
    hooked = Hooked(world)
    with receiving(lambda _: (400, {})) as receiver:
        number = hooked.hook(receiver)
        world.execute("UPDATE webhooks SET position = (SELECT max(id) - 20 FROM events)")
        hooked.deliver()
        # As a person asked for it; how its range is found is no part of the flow.
        world.execute("UPDATE webhooks SET replay_next = position - 20, replay_last = position")
        receiver.answer = lambda _: (200, {})
        hooked.advance(60)
        hooked.deliver()
    with world.runtime.database.connection() as connection:
        hooks.standing(connection)
        hooks.waiting(connection, number, 10)
    world.execute("DELETE FROM webhooks")


def test_no_statement_of_the_flow_reads_a_large_table_whole(filled: World, said: Said) -> None:
    a_day(filled)
    assert len(said) > 25
    found = {statement: reads_whole(filled, statement, given) for statement, given in list(said.items())}
    assert [f"{tables}: {statement}" for statement, tables in found.items() if tables] == []


def test_a_statement_that_reads_all_of_them_is_noticed(world: World) -> None:
    assert reads_whole(world, "SELECT id FROM payments WHERE detail = 'x'", None) == ["public.payments as payments"]

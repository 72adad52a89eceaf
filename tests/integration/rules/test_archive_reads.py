"""The archive beside the hot tables: the same columns, the same rows to whoever reads."""

import json
import runpy
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared.archive.retire import retire
from shared.archive.twins import BELONGING, FOLLOW_UPS, TABLES, every
from shared.database import migrations
from shared.events import outbox
from shared.payments import resolve, views
from shared.payments.look import Unresolvable, look
from tests.support.archived import (
    DAY_S,
    KEEP_S,
    intent_of,
    many,
    places,
    relayed,
    rich,
    small_batches,
    whole,
    years_later,
)
from tests.support.flow import LOOK, NO, OK, World


def columns(world: World, schema: str, table: str) -> list[tuple[Any, ...]]:
    rows = world.rows(
        """SELECT attname, atttypid::regtype::text AS type, atttypmod, attnotnull, attgenerated::text AS generated
        FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum""",
        f"{schema}.{table}",
    )
    return [tuple(row.values()) for row in rows]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_and_its_twin_have_the_same_columns_in_the_same_order(world: World, table: str) -> None:
    assert columns(world, "public", table) == columns(world, "archive", table) != []


def test_whatever_refers_to_payments_by_key_moves_with_them(world: World) -> None:
    rows = world.rows(
        "SELECT conrelid::regclass::text AS name FROM pg_constraint WHERE confrelid = 'payments'::regclass"
    )
    assert {row["name"] for row in rows} <= set(TABLES)
    assert {row["name"] for row in rows} >= {"attempts", "resolutions"}


def test_every_table_that_holds_rows_of_a_payment_is_known_here(world: World) -> None:
    rows = world.rows(
        """SELECT c.relname AS name FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE a.attname = 'payment_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND c.relnamespace = 'public'::regnamespace"""
    )
    # they name a payment wherever it is
    stay = {"intent_keys", "taken_lines", "told_discrepancies", "discrepancies", "findings", "reconciled_payments"}
    assert {row["name"] for row in rows} == set(BELONGING) | stay


def test_the_archive_takes_nothing_that_is_open(world: World) -> None:
    payment_id = world.settled("safe", LOOK)
    with pytest.raises(psycopg.errors.CheckViolation, match="finished"):
        world.execute("INSERT INTO archive.payments SELECT * FROM payments WHERE id = %s", payment_id)
    with pytest.raises(psycopg.errors.CheckViolation, match="told"):
        world.execute(
            """WITH gone AS (DELETE FROM events WHERE payment_id = %s RETURNING *)
            INSERT INTO archive.events SELECT * FROM gone""",
            payment_id,
        )


@pytest.mark.parametrize(
    "condition",
    [
        "exclusive_key = 'k' AND state = 'succeeded'",
        "books_key = 'k' AND state = 'succeeded'",
        "sent_reference = ANY('{a,b}')",
        "id = 7",
    ],
)
def test_a_read_of_both_uses_the_indexes_of_both(own_world: World, condition: str) -> None:
    many(own_world, 1000)
    own_world.advance(KEEP_S + DAY_S)
    small_batches(own_world, 300)
    assert 0 < retire(own_world.runtime, 2) < 1000
    own_world.execute("ANALYZE payments, archive.payments")
    rows = own_world.rows(f"EXPLAIN SELECT amount_minor FROM {every('payments')} p WHERE {condition}")
    plan = "\n".join(row["QUERY PLAN"] for row in rows)
    assert "Seq Scan" not in plan
    assert plan.count("Index") >= 2


def test_the_books_of_a_check_hold_what_is_archived(world: World) -> None:
    old = world.settled("safe", OK, target={"invoice": "i-1", "shared": True})
    world.execute("UPDATE payments SET books_key = 'account-1'")
    assert years_later(world) == 1
    latest = world.runtime.books.latest_success("safe")
    assert latest is not None
    assert latest.id == old
    new = world.settled("safe", OK, target={"invoice": "i-1", "shared": True})
    world.execute("UPDATE payments SET books_key = 'account-1'")
    both = {str(whole(world, i)["payments"][0]["sent_reference"]) for i in (old, new)}
    books = world.runtime.books
    latest = books.latest_success("safe")
    assert latest is not None
    assert latest.id == new
    assert books.net_minor("safe:i-1") == 20_000
    assert books.succeeded("account-1") == both
    assert books.ours(both | {"somebody-else"}) == both


def test_export_and_history_show_the_same_before_and_after(world: World) -> None:
    old = rich(world)
    refused = world.settled("safe", NO)
    relayed(world)

    def shown() -> tuple[list[str], list[str], object]:
        with world.runtime.database.connection() as connection:
            return list(views.export(connection)), list(views.payments(connection)), views.payment(connection, old)

    before = shown()
    assert years_later(world) == 2
    new = world.settled("safe", OK)
    exported, listed, history = shown()
    assert exported[:2] == before[0]
    assert [json.loads(row)["intent_id"] for row in exported] == [intent_of(world, i) for i in (old, refused, new)]
    assert listed[1:] == before[1]
    assert history == before[2]
    with world.runtime.database.connection() as connection:
        assert [json.loads(r)["state"] for r in views.payments(connection, state="refused")] == ["refused"]
        assert [json.loads(r)["intent_id"] for r in views.payments(connection, limit=1)] == [intent_of(world, new)]


def test_replayed_events_are_those_of_the_hot_tables_and_the_archives_are_told_of(world: World) -> None:
    start = world.value("SELECT clock()")
    world.settled("safe", OK)
    assert years_later(world) == 1
    world.settled("safe", OK)
    relayed(world)
    now = world.value("SELECT clock() - interval '1 day'")
    with world.runtime.database.connection() as connection:
        assert outbox.archived_since(connection, start)
        assert not outbox.archived_since(connection, now)
        assert outbox.replay(connection, start) == 2


def test_what_is_archived_is_final_for_those_who_decide(world: World) -> None:
    payment_id = world.settled("safe", OK, receipt={"register": "", "email": "a@example.com"})
    world.run()
    assert years_later(world) == 1
    database, intent_id = world.runtime.database, intent_of(world, payment_id)
    decided: dict[str, Any] = {"reason": "because", "by": "Ann"}
    with pytest.raises(Unresolvable, match="is succeeded; only a parked payment"):
        look(world.runtime, "shop", intent_id)
    with pytest.raises(Unresolvable, match="is succeeded; it can be cancelled only"):
        resolve.cancel(database, "shop", intent_id, **decided)
    with pytest.raises(Unresolvable, match="is issued; only a parked one"):
        resolve.resolve_follow_up(database, "shop", intent_id, "receipt", "resend", **decided)
    assert {places(world, payment_id, table) for table in ("payments", "events", FOLLOW_UPS)} == {"archived"}


def test_the_migration_can_be_taken_back_without_losing_a_payment(own_world: World) -> None:
    payment_id = rich(own_world)
    assert years_later(own_world) == 1
    before = whole(own_world, payment_id)
    migration = runpy.run_path(str(Path(migrations.__file__).parent / "versions" / "0006_archive.py"))
    own_world.connection.execute(migration["BACK"])
    assert {table: own_world.rows(f"SELECT * FROM {table} t ORDER BY t::text") for table in TABLES} == before
    assert own_world.rows("SELECT nspname FROM pg_namespace WHERE nspname = 'archive'") == []


def test_what_a_person_said_of_an_archived_payment_is_no_evidence_of_the_books(world: World) -> None:
    rich(world)  # a person said that it succeeded
    world.execute("UPDATE payments SET books_key = 'account-1'")
    assert years_later(world) == 1
    assert world.runtime.books.succeeded("account-1") == frozenset()
    assert world.runtime.books.latest_success("safe") is None

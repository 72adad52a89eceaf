"""The published roles: the owner migrates, the runtime reads and writes rows, the reader reads."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.local.embedded import Servers
from shared.archive.retire import retire
from shared.database import migrate, pooler, roles, session
from shared.messaging import broker
from shared.reconciliation.store import nights
from shared.reconciliation.turn import turn
from shared.recovery import recover as verbs
from shared.recovery.beat import beat
from shared.witness import Witnesses
from tests.integration.conftest import Run
from tests.support import older, role_urls
from tests.support.flow import World, running_world_on
from tests.support.nights import Night
from tests.support.role_urls import Urls

DAY_S = 86_400
DENIED = psycopg.errors.InsufficientPrivilege


@pytest.fixture
def urls(servers: Servers) -> Iterator[Urls]:
    """The roles on a migrated database: the owner migrated it, and nobody ran the grants again."""
    with role_urls.granted(servers.database_url, f"roles_{os.getpid()}") as found:
        migrate.upgrade(found.owner)
        yield found


@pytest.fixture
def world(urls: Urls) -> Iterator[World]:
    """The flow as the runtime role; the clock that tests move is the owner's."""
    with running_world_on(urls.owner):
        pass
    with running_world_on(urls.runtime) as found:
        yield found


def test_payments_a_night_its_end_and_the_archive_need_rows_alone(world: World) -> None:
    assert world.value("SELECT current_user") == "settlepipe_runtime"
    settled = world.settled()
    assert world.state(settled) == "succeeded"

    night = Night(world)
    found = night.payment("A", 10)
    lost = night.payment("A", 20, "unknown")
    read = night.read(night.line("A", 10, found), night.line("A", 20, lost))
    first = night.carry_on(read)
    assert (first.totals, first.used) == ({"matched": (1, 10, 10), "status_mismatch": (1, 0, 20)}, 1)
    assert world.state(lost) == "succeeded"
    again = night.carry_on(read)  # over the same lines, into the table that is there
    rows = world.rows("SELECT count(*) AS n, count(DISTINCT payment_id) AS payments FROM reconciled_payments")
    assert (rows, again.run.id) == ([{"n": 1, "payments": 1}], read.id)
    counted = """SELECT last_analyze IS NOT NULL AS done FROM pg_stat_user_tables
        WHERE schemaname = 'public' AND relname = ANY(%s)"""
    written = ["provider_lines", "findings", "checks", f"reconciled_payments_{read.id}"]
    assert [row["done"] for row in world.rows(counted, written)] == [True] * 4, "the planner knows what was written"

    world.execute("UPDATE reconciliations SET state = 'done', finished_at = clock()")
    world.advance(100 * DAY_S)
    with turn(world.runtime.database, night.provider):
        assert nights.forget_lines(world.runtime.database, night.provider, 90) > 0
    assert world.rows("SELECT FROM pg_class WHERE relname ~ 'reconciled_payments_'") == []

    world.execute("DELETE FROM outbox")  # as the relay does
    world.advance(400 * DAY_S)
    assert retire(world.runtime, 10) == 3
    archived = world.rows("SELECT id FROM archive.payments ORDER BY id")
    assert [row["id"] for row in archived] == [settled, found, lost]
    assert world.value("SELECT count(*) FROM payments") == 0


def test_a_recovery_needs_rows_alone(world: World, broker_url: str, tmp_path: Path) -> None:
    world.settled()
    with broker.connect(broker_url) as client:
        witnesses = Witnesses(tmp_path, client)
        beat(world.runtime, witnesses)
        world.execute("UPDATE store SET held_at = clock(), held_reason = 'a test'")
        done = verbs.recover(world.runtime, witnesses, verbs.plan(world.runtime, client, None), "somebody")
    assert done.epoch == 1
    assert world.value("SELECT nextval('payment_ids')") == 10**12 + 1


REFUSED = (
    "CREATE TABLE made_up (id bigint)",
    "CREATE TABLE archive.made_up (id bigint)",
    "CREATE FUNCTION clock() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now()'",
    "CREATE SCHEMA made_up",
    "ALTER TABLE payments ADD COLUMN made_up text",
    "ALTER TABLE payments DISABLE TRIGGER a_legal",
    "DROP TABLE payments",
    "DROP TRIGGER a_legal ON payments",
    "TRUNCATE payments",
    "CREATE INDEX made_up ON payments (id)",
    "ALTER TABLE payments OWNER TO settlepipe_runtime",
    "SET session_replication_role = replica",
    "SET ROLE settlepipe_owner",
    "UPDATE alembic_version SET version_num = '0001'",
    "UPDATE code_range SET least = '0001'",
    "DELETE FROM code_range",
)


def test_the_runtime_role_changes_nothing_but_rows(urls: Urls) -> None:
    with psycopg.connect(urls.runtime, autocommit=True) as connection:
        for statement in REFUSED:
            with pytest.raises(DENIED):
                connection.execute(statement.encode())
        for statement in ("SELECT begin_run_payments(NULL)", "SELECT drop_run_payments(1)"):
            with pytest.raises(psycopg.errors.RaiseException):
                connection.execute(statement.encode())


def test_a_function_of_the_owners_takes_no_table_of_the_callers_for_its_own(urls: Urls) -> None:
    with psycopg.connect(urls.runtime, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE reconciliations AS SELECT 7::bigint AS id, false AS forgotten")
        connection.execute("SET search_path = pg_temp, public")
        with pytest.raises(psycopg.errors.RaiseException, match="there is no run 7"):
            connection.execute("SELECT public.begin_run_payments(7)")


def test_the_reader_sees_all_but_tokens_and_writes_nothing(
    urls: Urls, world: World, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    payment = world.settled()
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", urls.reader)
    for command in (["payments"], ["export"], ["metrics"], ["inbox"], ["alerts"], ["lanes"], ["db", "check"]):
        status, out, err = run(*command)
        assert (command, status, err) == (command, 0, "")
        assert out or command in (["inbox"], ["alerts"])
    assert str(world.payment(payment)["intent_id"]) in run("payments")[1]
    with psycopg.connect(urls.reader, autocommit=True) as connection:
        for denied in (
            "SELECT FROM tokens",
            "SELECT FROM webhook_secrets",
            "SELECT FROM people_passwords",
            "SELECT FROM people_sessions",
            "DELETE FROM payments",
            "SELECT nextval('payment_ids')",
            "CREATE TABLE x ()",
        ):
            with pytest.raises(DENIED):
                connection.execute(denied.encode())
        for denied in ("SELECT begin_run_payments(1)", "SELECT analyze_checks()", "SELECT drop_run_payments(1)"):
            with pytest.raises(DENIED):
                connection.execute(denied.encode())


def test_the_runtime_cannot_migrate_and_the_owners_url_is_for_that(
    urls: Urls, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    older.downgrade(urls.superuser, "0019")
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", urls.runtime)
    status, _, said = run("db", "upgrade")
    assert (status, "permission denied" in said, said.count("\n")) == (1, True, 1)
    monkeypatch.setenv("SETTLEPIPE_DATABASE_OWNER_URL", urls.owner)
    assert run("db", "upgrade")[0] == 0
    assert run("db", "check")[0] == 0


def test_the_grants_are_printed_and_safe_to_repeat_and_mend_what_was_made_before(servers: Servers, run: Run) -> None:
    assert run("db", "grants")[1] == roles.grants()
    with role_urls.granted(servers.database_url, f"later_{os.getpid()}") as urls:
        migrate.upgrade(urls.superuser)  # by another than the owner: nothing is granted
        with psycopg.connect(urls.runtime, autocommit=True) as runtime, pytest.raises(DENIED):
            runtime.execute("SELECT FROM payments")
        for _ in range(2):
            role_urls.grant(urls.superuser)
        with psycopg.connect(urls.runtime, autocommit=True) as runtime:
            runtime.execute("DELETE FROM payments")
            with pytest.raises(DENIED):
                runtime.execute("DELETE FROM code_range")


def test_the_pins_are_printed_and_psql_takes_them_for_any_role(servers: Servers, run: Run) -> None:
    with role_urls.granted(servers.database_url, f"pins_{os.getpid()}") as urls:
        status, printed, said = run("db", "pins")
        assert (status, printed, said) == (0, pooler.pins("settlepipe_runtime"), "")
        role_urls.run_psql(urls.superuser, printed)
        with session.connect_pooled(urls.runtime, "test") as made:
            assert pooler.unpinned(made) == []
        with session.connect_pooled(urls.reader, "test") as other:
            assert pooler.unpinned(other) != []
        role_urls.run_psql(urls.superuser, run("db", "pins", "--role", "settlepipe_reader")[1])
        with session.connect_pooled(urls.reader, "test") as other:
            assert pooler.unpinned(other) == []

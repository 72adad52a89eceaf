"""Migrations in halves: which run when, what they lock and for how long, and what is kept of it."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from deploy.local.children import bare_environment
from deploy.local.embedded import Servers
from deploy.local.postgres import binaries_folder
from shared.database import migrate, version
from shared.database.version import WrongSchema
from tests.conftest import url_of
from tests.integration.conftest import Run
from tests.support import releases
from tests.support.patience import PATIENCE

MINE, LEAST = version.known()[-1], releases.least()
ADDS, TAKES, MORE = releases.numbered(3)
PRE = (ADDS, "pre", 'op.execute("ALTER TABLE payments ADD COLUMN made_up text")')
POST = (TAKES, "post", 'op.execute("ALTER TABLE payments DROP COLUMN made_up")')
INDEXED = (ADDS, "pre", 'concurrently.create_index("payments_made_up", "payments (metadata) WHERE state <> \':\'")')
UNINDEXED = (TAKES, "post", 'concurrently.drop_index("payments_made_up")')
Release = Callable[..., None]


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """Let this code know these migrations, too."""

    def known(*made: tuple[str, str, str]) -> None:
        monkeypatch.setattr(version, "FOLDER", releases.folder_with(tmp_path / made[-1][0], *made))

    return known


@pytest.fixture
def owner(database_url: str) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def schema(owner: "psycopg.Connection[Any]") -> version.Schema:
    found = version.look(owner)
    assert found is not None
    return found


def test_each_half_runs_by_itself_and_keeps_which_code_works(
    release: Release, database_url: str, owner: "psycopg.Connection[Any]", run: Run
) -> None:
    assert schema(owner) == version.Schema(MINE, LEAST, MINE)
    release(PRE, POST)
    assert run("db", "check")[0] == 3, "it would miss what is added"
    status, _, said = run("db", "upgrade", "--post")
    assert (status, f"{ADDS} is of the half pre and comes before {TAKES}" in said) == (1, True)
    assert run("db", "upgrade", "--pre") == (0, "the half pre is done\n", "")
    assert schema(owner) == version.Schema(ADDS, LEAST, TAKES)
    assert (run("db", "check")[0], version.wrong(schema(owner))) == (0, None)
    with monkeypatched_to_this_release():
        assert version.wrong(schema(owner)) is None, "the release before goes on"
        with pytest.raises(WrongSchema, match=f"knows none after {MINE}; run the newer settlepipe"):
            migrate.upgrade(database_url)
    assert run("db", "upgrade", "--post") == (0, "the half post is done\n", "")
    assert schema(owner) == version.Schema(TAKES, TAKES, TAKES)
    with monkeypatched_to_this_release():
        assert "run the newer settlepipe" in (version.wrong(schema(owner)) or ""), "what it uses is gone"
    assert run("db", "upgrade")[:2] == (0, "the database is up to date\n")


@contextlib.contextmanager
def monkeypatched_to_this_release() -> Iterator[None]:
    """This code as it is, for the length of the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(version, "FOLDER", Path(version.__file__).parent / "migrations" / "versions")
        yield


def test_a_release_that_only_takes_away_works_after_its_empty_first_half(
    release: Release, database_url: str, owner: "psycopg.Connection[Any]"
) -> None:
    release((ADDS, "post", 'op.execute("DROP INDEX payments_held")'))
    assert version.wrong(schema(owner)) is not None
    migrate.upgrade(database_url, half="pre")
    assert schema(owner) == version.Schema(MINE, LEAST, ADDS)
    assert version.wrong(schema(owner)) is None


def test_the_first_half_of_the_release_after_next_waits_for_the_second_half_of_the_one_between(
    release: Release, database_url: str, owner: "psycopg.Connection[Any]"
) -> None:
    release(PRE, POST, (MORE, "pre", 'op.execute("CREATE TABLE made_up (id bigint)")'))
    with pytest.raises(WrongSchema, match=f"{TAKES} is of the half post and comes before {MORE}"):
        migrate.upgrade(database_url, half="pre")
    assert schema(owner).version == MINE, "nothing of it was run"
    migrate.upgrade(database_url)
    assert schema(owner) == version.Schema(MORE, TAKES, MORE)


@pytest.mark.parametrize("least", [ADDS, "9999", "0019; x", "20"])
def test_a_range_that_is_none_or_begins_after_this_code_is_refused(
    least: str, owner: "psycopg.Connection[Any]", run: Run
) -> None:
    owner.execute("UPDATE alembic_version SET version_num = '9998'")
    owner.execute("UPDATE code_range SET least = %s, most = 'x'", (least,))
    status, out, said = run("db", "check")
    assert (status, out, said.count("\n"), "run the newer settlepipe" in said) == (3, "", 1, True)


def test_current_tells_what_is_left(release: Release, run: Run) -> None:
    release(PRE, POST)
    status, out, _ = run("db", "current", "--json")
    told = f'{{"schema": "{MINE}", "code": "{TAKES}", "least": "{LEAST}", "most": "{MINE}", "pre": ["{ADDS}"], '
    assert (status, out) == (0, told + f'"post": ["{TAKES}"]}}\n')
    assert run("db", "current")[0] == 0


def test_a_migration_waits_briefly_for_a_lock_lets_traffic_go_and_comes_again(
    release: Release, database_url: str, owner: "psycopg.Connection[Any]"
) -> None:
    release(PRE)
    waits_s: list[float] = []
    ended = threading.Event()

    def traffic() -> None:
        """Reads like the fleet does, each in its own transaction, and notes how long the longest took."""
        with psycopg.connect(database_url, autocommit=True) as connection:
            while not ended.wait(0.01):
                began = time.monotonic()
                connection.execute("SELECT FROM payments LIMIT 1")
                waits_s.append(time.monotonic() - began)

    reader = threading.Thread(target=traffic)
    with psycopg.connect(database_url) as holder:
        holder.execute("SELECT FROM payments LIMIT 1")  # and nothing more: it keeps its lock
        migrator = threading.Thread(target=migrate.upgrade, args=(database_url,))
        reader.start()
        migrator.start()
        waited(owner, 2)
        assert schema(owner).version == MINE
        holder.rollback()
        migrator.join(60 * PATIENCE)
        ended.set()
        reader.join()
    assert schema(owner).version == ADDS
    assert migrate.LOCK_S * 0.8 < max(waits_s) < 2 * PATIENCE, "it was waited behind, and not for long"


def waited(owner: "psycopg.Connection[Any]", times: int) -> None:
    """Returns when a migration has begun to wait for a lock so many times."""
    end, waits = time.monotonic() + 60 * PATIENCE, 0
    query = """SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE NOT l.granted AND a.application_name = 'settlepipe migrations')"""
    before = False
    while waits < times:
        row = owner.execute(query).fetchone()
        assert row is not None
        waits += row[0] and not before
        before = row[0]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_one_that_never_gets_its_lock_ends_in_a_sentence_and_leaves_nothing(
    release: Release, database_url: str, owner: "psycopg.Connection[Any]"
) -> None:
    release(PRE)
    with psycopg.connect(database_url) as holder:
        holder.execute("SELECT FROM payments LIMIT 1")
        with pytest.raises(migrate.Blocked, match=r"in [1-9] tries somebody held it"):
            migrate.upgrade(database_url, keep_trying_s=2)
    assert schema(owner).version == MINE


def test_an_index_is_made_while_a_transaction_writes_and_is_made_anew_where_it_was_cut_short(
    release: Release, database_url: str, owner: "psycopg.Connection[Any]"
) -> None:
    release(INDEXED, UNINDEXED)
    with psycopg.connect(database_url) as writer:
        writer.execute("INSERT INTO lanes (provider) VALUES ('made_up')")
        writer.execute("LOCK TABLE payments IN ROW EXCLUSIVE MODE")  # as who writes has it
        migrator = threading.Thread(target=migrate.upgrade, args=(database_url,), kwargs={"half": "pre"})
        migrator.start()
        time.sleep(2 * migrate.LOCK_S)  # is what this is about: no limit of a lock's ends it
        with psycopg.connect(database_url, autocommit=True) as another:
            another.execute("SET lock_timeout = '100ms'")
            another.execute("UPDATE payments SET metadata = NULL")
        assert indexes(owner) == [False], "it is under way"
        writer.commit()
        migrator.join(60 * PATIENCE)
    assert indexes(owner) == [True]
    assert schema(owner).version == ADDS
    owner.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'payments_made_up'::regclass")
    owner.execute("UPDATE alembic_version SET version_num = %s", (MINE,))
    migrate.upgrade(database_url, half="pre")
    assert indexes(owner) == [True]
    migrate.upgrade(database_url, half="post")
    assert indexes(owner) == []


def indexes(owner: "psycopg.Connection[Any]") -> list[bool]:
    """Of the made-up index: is it valid?"""
    query = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('payments_made_up')"
    return [row[0] for row in owner.execute(query)]


def test_what_sql_prints_makes_the_same_database(
    release: Release, database_url: str, owner: "psycopg.Connection[Any]", run: Run, servers: Servers
) -> None:
    release(INDEXED, POST)
    assert run("db", "sql", "--post")[0] == 1
    status, pre, _ = run("db", "sql", "--pre")
    assert (status, schema(owner).version) == (0, MINE), "it runs nothing"
    _psql(database_url, pre)
    assert schema(owner) == version.Schema(ADDS, LEAST, TAKES)
    assert indexes(owner) == [True]
    assert run("db", "sql", "--pre") == (0, "", "")


def test_what_sql_prints_for_an_empty_database_is_all_of_it(servers: Servers, template: str, command: Run) -> None:
    name = f"printed_{time.monotonic_ns()}"
    with psycopg.connect(url_of(servers, "postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SETTLEPIPE_DATABASE_URL", url_of(servers, name))
                _psql(url_of(servers, name), command("db", "sql")[1])
            assert _dumped(url_of(servers, name)) == _dumped(url_of(servers, template))
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _psql(url: str, given: str) -> None:
    done = subprocess.run(
        [binaries_folder() / "psql", f"--dbname={url}", "-X", "-q", "-v", "ON_ERROR_STOP=1"],
        input=given,
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _dumped(url: str) -> str:
    command = [str(binaries_folder() / "pg_dump"), f"--dbname={url}", "--schema-only", "--restrict-key=none"]
    done = subprocess.run(command, env=bare_environment(), capture_output=True, text=True, timeout=300, check=True)
    return str(done.stdout)

"""Whatever the server's owner has set, for the server, the database or the role: sessions of ours work the same."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from pydantic import SecretStr

from deploy.cli.main import main
from deploy.local import doctor
from deploy.local.embedded import Servers
from shared.database import migrate, session
from shared.database.engine import Database
from shared.payments import views
from shared.payments.release import release_refunds
from shared.settings import Settings, SettingsError
from shared.start import start
from tests.conftest import migrated_copy
from tests.support.flow import APPLIED, LOOK, running_world

pytestmark = pytest.mark.timeout(300)  # some start processes, on a machine that may be busy
ROOT = Path(__file__).parents[2]
HOSTILE = {
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "synchronous_commit": "off",
    "statement_timeout": "50ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "100ms",
    "transaction_timeout": "20ms",
    "exit_on_error": "on",
    "session_replication_role": "replica",
    "row_security": "off",
    "search_path": "evil, pg_catalog",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "standard_conforming_strings": "off",
    "client_encoding": "LATIN1",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Pacific/Kiritimati",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "quote_all_identifiers": "on",
    "gin_fuzzy_search_limit": "1",
    "client_min_messages": "debug5",
    "restrict_nonsystem_relation_kind": "view",
    "check_function_bodies": "off",
    "plpgsql.variable_conflict": "use_variable",
    "plpgsql.extra_errors": "all",
    "tcp_user_timeout": "1",
    "work_mem": "64kB",
    "debug_parallel_query": "regress",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_indexscan": "off",
    "from_collapse_limit": "1",
    "jit_above_cost": "0",
}


@pytest.fixture(scope="module")
def owned_url(servers: Servers, template: str) -> Iterator[str]:
    """A database on which an owner may do what it likes."""
    for url in migrated_copy(servers, template):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA evil")
            connection.execute("CREATE TABLE evil.payments (id text)")
            connection.execute(
                "CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql RETURN '-infinity'::timestamptz"
            )
        yield url


@contextmanager
def owner_sets(url: str, settings: dict[str, str], role: str = "") -> Iterator[None]:
    """Set for the database (or a role in it), until the block ends."""
    name = url.rpartition("/")[2]
    whose = f"ROLE {role} IN DATABASE {name}" if role else f"DATABASE {name}"
    admin = url.rpartition("/")[0] + "/postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        for setting, value in settings.items():
            shown = value if setting == "search_path" else f"'{value}'"
            connection.execute(f"ALTER {whose} SET {setting} = {shown}".encode())
        try:
            yield
        finally:
            connection.execute(f"ALTER {whose} RESET ALL".encode())


def whole_ways(url: str) -> dict[str, Any]:
    """A settle with text of any script, one that is looked for, a refund; what is to be read of them in the end."""
    with running_world(url) as world:
        document = world.document(metadata={"name": r"ბექა \ Бат 中"}, intent_id="ord-a")
        world.accept(document, world.document("careful", intent_id="ord-b"), b"nonsense \xff")
        world.careful.answers.append(LOOK)
        world.careful.verdicts.append(APPLIED)
        world.run()
        world.run("careful")
        world.advance(3600)
        world.run("careful")
        for number in ("c", "d"):
            refund = world.document(refund_of="ord-a", amount="60.00", intent_id=f"ref-{number}")
            assert world.accept(refund) == 1
        world.advance(3600)
        release_refunds(world.runtime)
        world.run()
        names = [row["intent_id"] for row in world.rows("SELECT intent_id FROM payments ORDER BY id")]
        ids = [row["id"] for row in world.rows("SELECT id FROM payments ORDER BY id")]
        with world.runtime.database.connection() as connection:
            return {
                "states": dict(zip(names, map(world.state, ids), strict=True)),
                "events": dict(zip(names, map(world.events, ids), strict=True)),
                "export": [_timeless(json.loads(row)) for row in views.export(connection)],
                "history": [_timeless(views.payment(connection, i)) for i in ids],
                "quarantine": [_timeless(json.loads(row)) for row in views.quarantine(connection)],
            }


def _timeless(value: Any) -> Any:
    """The same, with each time, and what is another each time, as its form alone."""
    if isinstance(value, dict):
        other = ("sent_reference", "request_sha256", "id")
        return {key: len(str(one)) if key in other else _timeless(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_timeless(one) for one in value]
    if isinstance(value, str) and value[:2] == "20" and value.endswith("Z"):
        return f"{len(value)} characters, UTC"
    return value


@pytest.fixture(scope="module")
def usual(owned_url: str) -> dict[str, Any]:
    found = whole_ways(owned_url)
    assert found["states"] == {"ord-a": "succeeded", "ord-b": "succeeded", "ref-c": "succeeded", "ref-d": "refused"}
    return found


@pytest.mark.parametrize("setting", HOSTILE)
def test_with_every_setting_of_an_owner_payments_go_their_whole_way(
    setting: str, owned_url: str, usual: dict[str, Any]
) -> None:
    with owner_sets(owned_url, {setting: HOSTILE[setting]}):
        assert whole_ways(owned_url) == usual


def test_with_all_of_them_and_for_the_role_too_they_do(owned_url: str, usual: dict[str, Any]) -> None:
    every = {name: value for name, value in HOSTILE.items() if not name.endswith("timeout")}
    with owner_sets(owned_url, every, role="app"):
        assert whole_ways(owned_url) == usual


def test_what_the_url_and_the_environment_say_does_not_undo_it(owned_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    undone = "-c default_transaction_isolation=serializable -c synchronous_commit=off -c DateStyle=German"
    monkeypatch.setenv("PGTZ", "Asia/Tbilisi")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("PGDATESTYLE", "German")
    for url in (owned_url, f"{owned_url}?options={quote(undone + ' -c geqo=off')}&client_encoding=LATIN1"):
        monkeypatch.setenv("PGOPTIONS", undone + " -c geqo=off")
        database = Database(url, pool_size=1)
        with database.connection() as connection:
            for name, value, _ in session.PINS:
                found = connection.execute("SELECT current_setting(%s, true) AS v", (name,)).fetchone()
                assert found in ({"v": value}, {"v": None}), name
            assert connection.execute("SHOW geqo").fetchone() == {"geqo": "off"}, "what is the owner's own business"
        database.dispose()


def test_every_pin_has_its_reason_once() -> None:
    names = [name for name, _, why in session.PINS if why]
    assert len(names) == len(set(names)) == len(session.PINS)


# The probe of the embedded server asks nothing. The relay's lock does nothing but be there.
_ELSEWHERE = {"shared/database/session.py", "deploy/local/postgres.py", "scheduler/relay.py"}


def test_every_connection_is_made_in_one_place() -> None:
    files = [file for folder in ("shared", "worker", "scheduler", "deploy") for file in (ROOT / folder).rglob("*.py")]
    found = {
        str(file.relative_to(ROOT))
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("psycopg.connect", "psycopg.Connection.connect")
    }
    assert found <= _ELSEWHERE


@pytest.mark.parametrize("path", ["other, public", "''", "pg_catalog", '"$user", other'])
def test_our_tables_are_in_one_place_wherever_a_path_leads(path: str, servers: Servers) -> None:
    with _new_database(servers, "placed", "") as url, psycopg.connect(url, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA other")
        with owner_sets(url, {"search_path": path}):
            migrate.upgrade(url)
        migrate.upgrade(url)
        found = owner.execute("SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'intent_keys'")
        assert found.fetchall() == [("public",)]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused_in_a_sentence(
    encoding: str,
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sentence = f"the database's encoding is {encoding}, which can't hold every text; make one with ENCODING 'UTF8'"
    with _new_database(servers, f"in_{encoding.lower()}", f"ENCODING '{encoding}' TEMPLATE template0") as url:
        given = {"DATABASE_URL": url, "BROKER_URL": "redis://:x@127.0.0.1:1/0", "HOME": str(tmp_path)}
        environment = {f"SETTLEPIPE_{name}": value for name, value in given.items()}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for command in (["db", "upgrade"], ["payments"], ["export"]):
            assert main(command) == 1
            assert capsys.readouterr() == ("", f"settlepipe: {sentence}\n")
        assert main(["up"]) == 1
        assert capsys.readouterr().err.endswith(f"the database could not be brought up to date: {sentence}\n")
        (found,) = doctor.database(url)
        assert (found.ok, found.sentence) == (False, sentence)
        with pytest.raises(SettingsError, match=encoding):
            start(Settings(database_url=SecretStr(url)))
        for process in ("worker.intake", "scheduler.dispatcher"):
            done = subprocess.run(
                [sys.executable, "-m", process],
                env={**os.environ, **environment},
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
            assert done.returncode == 2
            (line,) = done.stderr.splitlines()
            assert sentence in line


def test_triggers_that_nobody_but_a_superuser_can_have_fire_are_asked_for(owned_url: str) -> None:
    name = owned_url.rpartition("/")[2]
    with psycopg.connect(owned_url, autocommit=True) as owner:
        owner.execute("CREATE ROLE nobody_special LOGIN PASSWORD 'made-up'")
        try:
            owner.execute(f"GRANT ALL ON DATABASE {name} TO nobody_special".encode())
            url = f"postgresql://nobody_special:made-up@{owned_url.rpartition('@')[2]}"
            with owner_sets(owned_url, {"session_replication_role": "replica"}):
                with pytest.raises(session.Unusable, match="session_replication_role is set"):
                    session.connect(url, "test")
                (found,) = doctor.database(url)
                assert not found.ok
                assert "session_replication_role" in found.sentence
            session.connect(url, "test").close()
        finally:
            owner.execute(f"REVOKE ALL ON DATABASE {name} FROM nobody_special".encode())
            owner.execute("DROP ROLE nobody_special")


def test_doctor_says_what_the_owner_has_set(owned_url: str) -> None:
    with owner_sets(owned_url, {"DateStyle": "German, DMY", "synchronous_commit": "off", "statement_timeout": "50ms"}):
        found = {check.name: check for check in doctor.database(owned_url)}
    assert found["database settings"].ok
    said = found["database settings"].sentence
    assert "DateStyle is German, DMY, statement_timeout is 50, synchronous_commit is off" in said
    assert not found["database durability"].ok
    assert "fsync is off" in found["database durability"].sentence, "tests' servers don't test durability"


@contextmanager
def _new_database(servers: Servers, name: str, how: str) -> Iterator[str]:
    server = servers.database_url.rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {how}".encode())
        try:
            yield f"{server}/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

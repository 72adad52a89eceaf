"""After PostgreSQL was restarted, or has failed over, its sessions' end is met once at most, not once for each."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import pq

from deploy.local.embedded import embedded_servers
from shared.database import session
from shared.database.engine import AWAY, Database
from shared.settings import Settings
from tests.conftest import FAST_POSTGRES

pytestmark = pytest.mark.timeout(300)  # one starts a server, on a machine that may be busy
SIZE = 8


@contextmanager
def warm(url: str) -> Iterator[Database]:
    """A pool whose connections are all there."""
    database = Database(url, pool_size=SIZE)
    try:
        with ExitStack() as stack:
            for _ in range(SIZE):
                stack.enter_context(database.connection()).execute("SELECT 1")
        yield database
    finally:
        database.dispose()


def failures(database: Database, statements: int = 2 * SIZE) -> int:
    """How many of so many statements, one after the other, fail."""
    failed = 0
    for _ in range(statements):
        try:
            with database.connection() as connection:
                connection.execute("SELECT 1")
        except AWAY:
            failed += 1
    return failed


def test_after_a_restart_no_statement_meets_a_dead_session(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    home, settings = tmp_path / "home", Settings(home=tmp_path / "home")
    with ExitStack() as pools:
        with embedded_servers(home, settings, FAST_POSTGRES) as servers:
            database = pools.enter_context(warm(servers.database_url))
        with embedded_servers(home, settings, FAST_POSTGRES):
            assert failures(database) == 0


def test_sessions_that_the_server_ended_are_seen_before_they_are_used(database_url: str) -> None:
    with warm(database_url) as database:
        _end_all(database_url)
        assert failures(database) == 0


def test_who_meets_the_first_dead_session_has_met_all(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the end can't be seen (the server's machine is gone without a word) one statement fails."""
    monkeypatch.setattr("shared.database.pool._left", lambda _: False)
    with warm(database_url) as database:
        _end_all(database_url)
        assert failures(database) == 1


def test_who_writes_to_a_standby_leaves_all_its_sessions(database_url: str) -> None:
    with warm(database_url) as database:
        with ExitStack() as stack:
            before = {stack.enter_context(database.connection()).info.backend_pid for _ in range(SIZE)}
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), database.connection() as connection:
            connection.execute("DO $$ BEGIN RAISE SQLSTATE '25006'; END $$")
        with ExitStack() as stack:
            after = {stack.enter_context(database.connection()).info.backend_pid for _ in range(SIZE)}
        assert not before & after


def test_an_error_of_a_statement_costs_nobody_a_connection(database_url: str) -> None:
    with warm(database_url) as database:
        before = {_pid(database) for _ in range(SIZE)}
        with pytest.raises(psycopg.errors.DivisionByZero), database.connection() as connection:
            connection.execute("SELECT 1 / 0")
        with pytest.raises(psycopg.errors.DivisionByZero), database.transaction() as connection:
            connection.execute("SELECT 1 / 0")
        assert {_pid(database) for _ in range(SIZE)} == before


def test_a_connection_left_in_a_transaction_serves_nobody_else(database_url: str) -> None:
    with warm(database_url) as database:
        with database.connection() as connection:
            connection.execute("BEGIN")
            connection.execute("CREATE TABLE never (id int)")
            left = connection.info.backend_pid
        with ExitStack() as stack:
            others = [stack.enter_context(database.connection()) for _ in range(SIZE)]
            assert left not in {other.info.backend_pid for other in others}
            assert {other.info.transaction_status for other in others} == {pq.TransactionStatus.IDLE}
            assert others[0].execute("SELECT to_regclass('never') AS it").fetchone() == {"it": None}


def _pid(database: Database) -> int:
    with database.connection() as connection:
        return connection.info.backend_pid


def _end_all(url: str) -> None:
    with session.connect(url, "somebody else") as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

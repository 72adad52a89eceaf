"""The pool under threads: how many sessions it makes, and who waits."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest

from shared.database import pool
from shared.database.engine import AWAY, Database
from shared.database.pool import NoneFree
from tests.support.patience import PATIENCE

SIZE = 3


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, pool_size=SIZE)
    yield found
    found.dispose()


def pid(database: Database) -> int:
    with database.connection() as connection:
        return connection.info.backend_pid


def test_it_makes_no_more_sessions_than_are_in_use_at_once(database: Database) -> None:
    assert len({pid(database) for _ in range(10)}) == 1


def test_there_are_never_more_sessions_than_its_size(database: Database) -> None:
    """Also while some of them are lost on the way."""
    in_use, most, lock = 0, 0, threading.Lock()

    def use(number: int) -> None:
        nonlocal in_use, most
        with database.connection() as connection:
            with lock:
                in_use += 1
                most = max(most, in_use)
            connection.execute("SELECT 1")
            if number % 7 == 0:
                connection.close()
            with lock:
                in_use -= 1

    with ThreadPoolExecutor(4 * SIZE) as threads:
        list(threads.map(use, range(300)))
    assert most == SIZE
    with ExitStack() as stack:
        assert len({stack.enter_context(database.connection()).info.backend_pid for _ in range(SIZE)}) == SIZE


def test_who_finds_all_in_use_gets_the_first_that_comes_back(database: Database) -> None:
    with ThreadPoolExecutor(1) as thread, ExitStack() as others:
        with database.connection() as first:
            for _ in range(SIZE - 1):
                others.enter_context(database.connection())
            waiting = thread.submit(pid, database)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
        assert waiting.result(30 * PATIENCE) == first.info.backend_pid


def test_who_waits_for_too_long_is_told_that_the_database_is_away(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "POOL_WAIT_S", 0.05)
    small = Database(database_url, pool_size=1)
    with small.connection(), pytest.raises(NoneFree, match="no connection"), small.connection():
        pass
    assert issubclass(NoneFree, AWAY)
    assert pid(small)  # nothing was lost by that
    small.dispose()


def test_a_session_that_can_not_be_made_costs_nobody_a_place() -> None:
    nowhere = Database("postgresql://app:sandbox@127.0.0.1:1/none", pool_size=1)
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError, match="refused"), nowhere.connection():
            pass


def test_without_a_pool_each_connection_is_made_and_closed_at_the_end(database_url: str) -> None:
    """A command's, which makes one or two, and imports nothing that pools them."""
    alone = Database(database_url, None)
    with alone.connection() as first, alone.connection() as second:
        assert first.info.backend_pid != second.info.backend_pid
        assert second.execute("SELECT 1 AS one").fetchone() == {"one": 1}
    assert first.closed
    assert second.closed
    with alone.transaction() as third:
        third.execute("INSERT INTO lanes (provider) VALUES ('made-up')")
    with alone.connection() as fourth:
        assert fourth.execute("SELECT provider FROM lanes WHERE provider = 'made-up'").fetchone()

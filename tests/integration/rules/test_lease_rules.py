"""Leases: one holder at a time, over when nobody renews them, whatever the clock does; numbers that only grow."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.database import leases, locks, session
from shared.database.engine import Connection
from shared.database.leases import Lease, LeaseLost
from tests.support.flow import World
from tests.support.stack import wait_until

NIGHT = locks.night("safe")
L = leases.LENGTH_S


@pytest.fixture
def connection(world: World) -> Iterator[Connection]:
    with world.runtime.database.connection() as connection:
        yield connection


def taken(connection: Connection, above: int = 0) -> Lease:
    lease = leases.take(connection, NIGHT, above=above)
    assert lease is not None
    return lease


def test_one_holds_it_and_the_next_one_has_a_higher_number(connection: Connection) -> None:
    first = taken(connection)
    assert leases.take(connection, NIGHT) is None
    leases.give_back(connection, first)
    second = taken(connection)
    assert second.number > first.number
    leases.give_back(connection, first)  # a late word of the one before
    assert leases.take(connection, NIGHT) is None
    assert leases.take(connection, locks.login("safe")) is not None, "another right"
    assert leases.take(connection, locks.night("careful")) is not None


def test_of_many_who_come_at_once_one_has_it(world: World) -> None:
    barrier = threading.Barrier(6)

    def come(_: int) -> Lease | None:
        with world.runtime.database.connection() as connection:
            barrier.wait(60)
            return leases.take(connection, NIGHT)

    numbers = []
    for _ in range(5):
        with ThreadPoolExecutor(6) as pool:
            found = [lease for lease in pool.map(come, range(6)) if lease is not None]
        assert len(found) == 1
        numbers.append(found[0].number)
        assert (
            world.value("SELECT number FROM leases") == numbers[-1] == world.value("SELECT number FROM lease_numbers")
        )
        world.execute("UPDATE leases SET until = clock()")
    assert numbers == sorted(set(numbers))


def test_it_expires_and_whoever_held_it_notices(world: World, connection: Connection) -> None:
    world.hold_clock()
    killed = taken(connection)
    world.advance(L - 1)
    assert leases.take(connection, NIGHT) is None
    leases.renew(connection, killed)
    world.advance(L - 1)
    assert leases.take(connection, NIGHT) is None, "it was renewed"
    world.advance(1)
    assert not leases.live(connection, NIGHT)
    taken(connection)
    with pytest.raises(LeaseLost):
        leases.renew(connection, killed)


def test_one_that_expired_and_that_nobody_took_is_still_its_holders(world: World, connection: Connection) -> None:
    lease = taken(connection)
    world.advance(10 * L)
    leases.renew(connection, lease)
    assert leases.take(connection, NIGHT) is None


def test_a_clock_that_goes_back_by_hours_keeps_nobody_waiting_for_a_dead_holder(
    world: World, connection: Connection
) -> None:
    dead = taken(connection)
    world.advance(-7200)
    assert not leases.live(connection, NIGHT)
    assert taken(connection).number > dead.number


def test_a_holder_that_lives_keeps_it_over_a_clock_that_goes_back(world: World, connection: Connection) -> None:
    lease = taken(connection)
    world.advance(-7200)
    leases.renew(connection, lease)
    assert leases.take(connection, NIGHT) is None
    world.advance(7200)
    assert leases.take(connection, NIGHT) is not None, "and one that jumps takes it away: its number says so"
    with pytest.raises(LeaseLost):
        leases.renew(connection, lease)


def test_a_number_is_above_what_was_written_under_before(connection: Connection) -> None:
    lease = taken(connection, above=2**52)
    assert lease.number == 2**52 + 1
    leases.give_back(connection, lease)
    again = taken(connection, above=7)
    assert again.number == 2**52 + 2


def test_a_number_whose_commit_was_lost_is_not_given_once_more(world: World, connection: Connection) -> None:
    leases.give_back(connection, taken(connection))
    (before,) = world.rows("SELECT * FROM leases")
    lost = taken(connection)
    # a fail-over to a standby that lacks that commit
    world.execute("UPDATE leases SET number = %s, until = %s", before["number"], before["until"])
    world.execute("UPDATE lease_numbers SET number = %s", before["number"])
    second = taken(connection)
    assert second.number != lost.number
    with pytest.raises(LeaseLost):
        leases.renew(connection, lost)
    leases.give_back(connection, lost)
    assert leases.take(connection, NIGHT) is None, "a late word of the one that was forgotten"


def test_who_holds_it_by_a_session_of_the_release_before_is_not_overtaken(world: World, connection: Connection) -> None:
    for right, lock in (
        (locks.RELAY, "pg_advisory_lock(7310587404)"),
        (locks.night("safe"), "pg_advisory_lock(715829, -1616631665)"),
        (locks.login("mtn"), "pg_advisory_lock(715827, 1553165331)"),
    ):
        with session.connect(world.url, "of the release before") as older:
            older.execute(f"SELECT {lock}".encode())
            assert leases.take(connection, right) is None
        wait_until(lambda right=right: leases.take(connection, right), "it went", 60)  # type: ignore[misc]


def test_whoever_waits_gets_what_a_dead_holder_left_and_not_what_a_living_one_has(world: World) -> None:
    database = world.runtime.database
    with database.connection() as connection:
        dead = leases.take(connection, NIGHT, 0.5)
        assert dead is not None
    found = leases.wait(database, NIGHT, 0.5)
    assert found is not None
    with leases.kept(database, found):
        assert leases.wait(database, NIGHT) is None
    with database.connection() as connection:
        assert leases.take(connection, NIGHT) is not None, "given back at its end"

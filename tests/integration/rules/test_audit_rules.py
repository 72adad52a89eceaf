"""The audit: a record in the transaction of each deed, in a chain that shows what was changed."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from shared import audit, brake
from shared.payments import quarantine
from shared.payments.look import Unresolvable
from shared.payments.resolve import NotDecided, cancel
from tests.support.decided import decide
from tests.support.flow import LOOK, NOT_SENT, UNCLEAR, World, together


def written(world: World) -> list[tuple[Any, ...]]:
    with world.runtime.database.connection() as connection:
        return [(r["number"], r["by_whom"], r["action"], r["subject"], r["reason"]) for r in audit.records(connection)]


def verified(world: World, head: str | None = None) -> audit.Verified:
    with world.runtime.database.connection() as connection:
        return audit.verify(connection, head)


def note(world: World, subject: str = "one", by: str = "Ann") -> None:
    with world.runtime.database.transaction() as connection:
        audit.write(connection, "noted", subject, by=by, content={"ö": [1, None, "\ud800"], "a": True})


def forged(world: World, statement: str) -> None:
    """As an owner of the database could."""
    with world.connection.transaction():
        world.execute("SET LOCAL session_replication_role = replica")
        world.execute(statement)


def test_a_record_follows_the_one_before_it(world: World) -> None:
    assert verified(world) == audit.Verified(0, None)
    note(world, "one")
    note(world, "two", "Bob")
    assert written(world) == [(1, "Ann", "noted", "one", None), (2, "Bob", "noted", "two", None)]
    found = verified(world)
    assert (found.count, found.wrong) == (2, None)
    (head,) = world.rows("SELECT encode(hash, 'hex') AS hash FROM audit WHERE number = 2")
    assert found.head == head["hash"]


def test_what_is_written_is_not_lost_and_what_is_not_committed_is_not_written(world: World) -> None:
    def failing() -> None:
        with world.runtime.database.transaction() as connection:
            audit.write(connection, "noted", "lost", by="Ann")
            raise KeyError

    note(world)
    with pytest.raises(KeyError):
        failing()
    note(world, "two")
    assert [row[3] for row in written(world)] == ["one", "two"]
    assert verified(world).wrong is None


def test_it_is_written_in_a_transaction_alone(world: World) -> None:
    with world.runtime.database.connection() as connection, pytest.raises(RuntimeError, match="transaction"):
        audit.write(connection, "noted", "one", by="Ann")


def test_many_at_once_make_one_chain(world: World) -> None:
    together(*(lambda n=n: note(world, str(n)) for n in range(6)))
    assert (verified(world).count, verified(world).wrong) == (6, None)


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET reason = 'other'", "DELETE FROM audit", "TRUNCATE audit", "TRUNCATE audit CASCADE"]
)
def test_the_database_refuses_a_change(world: World, statement: str) -> None:
    note(world)
    with pytest.raises(psycopg.errors.CheckViolation, match="append only"):
        world.execute(statement)


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ("UPDATE audit SET reason = 'other' WHERE number = 2", "record 2 is not what was written"),
        ("UPDATE audit SET by_whom = 'Bob' WHERE number = 1", "record 1 is not what was written"),
        ("UPDATE audit SET at = at + interval '1 us' WHERE number = 3", "record 3 is not what was written"),
        ("""UPDATE audit SET content = '{"a":false}' WHERE number = 3""", "record 3 is not what was written"),
        ("DELETE FROM audit WHERE number = 2", "record 2 is missing"),
        ("DELETE FROM audit WHERE number = 1", "record 1 is missing"),
        ("UPDATE audit SET previous = '\\x00' WHERE number = 2", "record 2 does not follow the one before it"),
    ],
)
def test_a_forged_record_shows(world: World, statement: str, wrong: str) -> None:
    for subject in "abc":
        note(world, subject)
    forged(world, statement)
    assert verified(world).wrong == wrong


def test_an_end_that_was_cut_off_shows_by_a_hash_that_was_noted(world: World) -> None:
    for subject in "abc":
        note(world, subject)
    head = verified(world).head
    assert verified(world, head).found
    forged(world, "DELETE FROM audit WHERE number = 3")
    found = verified(world, head)
    assert (found.wrong, found.found) == (None, False)


def test_a_fork_is_refused_by_the_database(world: World) -> None:
    note(world)
    note(world)
    columns = "at, by_whom, action, subject, content, previous"
    with pytest.raises(psycopg.errors.UniqueViolation):
        world.execute(
            f"INSERT INTO audit (number, {columns}, hash) SELECT 3, {columns}, sha256('x') FROM audit WHERE number = 2"
        )


def test_each_deed_has_its_record(world: World) -> None:
    payment_id = world.settled("careful", LOOK)
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL WHERE id = %s", payment_id)
    with pytest.raises(NotDecided):
        decide(world, payment_id, "resend", UNCLEAR)
    decide(world, payment_id, "succeeded", UNCLEAR)
    database, waiting = world.runtime.database, world.document()
    world.accept(waiting)
    cancel(database, "shop", waiting["intent_id"], reason="a mistake", by="Bob")
    brake.pause(database, "safe", by="Cat", reason="their letter")
    brake.resume(database, "safe", by="Cat")
    world.accept({**world.document(), "amount": "x"})
    (entry,) = world.rows("SELECT id FROM quarantine")
    with database.connection() as connection:
        quarantine.replayed(connection, [entry["id"]], by="Dan", reason="mended")
    name = "shop/" + world.payment(payment_id)["intent_id"]
    assert [row[1:] for row in written(world)] == [
        ("Ann", "payment.look", name, "asked at the biller"),
        ("Ann", "payment.succeeded", name, "asked at the biller"),
        ("Bob", "payment.cancelled", f"shop/{waiting['intent_id']}", "a mistake"),
        ("Cat", "lane.paused", "safe", "their letter"),
        ("Cat", "lane.resumed", "safe", None),
        ("Dan", "quarantine.replayed", "quarantine", "mended"),
    ]
    assert verified(world).wrong is None


def test_a_deed_that_is_not_done_has_none(world: World) -> None:
    payment_id = world.settled("safe")
    refused: list[Callable[[], object]] = [
        lambda: cancel(world.runtime.database, "shop", world.payment(payment_id)["intent_id"], reason="r", by="Ann"),
        lambda: cancel(world.runtime.database, "shop", "none", reason="r", by="Ann"),
    ]
    for deed in refused:
        with pytest.raises(Unresolvable):
            deed()
    assert not brake.pause(world.runtime.database, "nowhere", by="Ann")
    world.settled("safe", NOT_SENT)
    assert written(world) == []

"""What a process that was asked to stop claims, sends and gives back."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.domain.answers import CheckResult
from shared.follow_ups.ask import follow_up
from shared.payments import lots
from shared.payments.check import check
from shared.payments.dispatch import give_back
from shared.payments.recorder import Recorder
from shared.payments.send import send
from shared.providers.base import Auth
from tests.support.flow import ABSENT, AGAIN, LOOK, World

WANTED = {"register": "", "email": "a@example.com"}


def dispatched(world: World, count: int, provider: str = "safe") -> list[tuple[int, str]]:
    """So many payments as a message names them."""
    world.accept(*(world.document(provider) for _ in range(count)))
    return [(payment_id, world.named(payment_id)[1]) for payment_id in world.dispatched(provider)]  # type: ignore[index]


def stops(world: World, value: Any) -> Callable[[], Any]:
    """A step of a script at which the process is asked to stop."""

    def step() -> Any:
        world.runtime.gate.end()
        return value

    return step


def due(world: World, payment_id: int) -> bool:
    return bool(world.payment(payment_id)["due_in"].total_seconds() <= 0)


def asked_while_it_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked to stop when it has looked at its gate, while it waits for a connection."""
    connection = world.runtime.database.connection

    def late() -> Any:
        world.runtime.gate.end()
        return connection()

    monkeypatch.setattr(world.runtime.database, "connection", late)


def test_it_claims_nothing(world: World) -> None:
    names = dispatched(world, 2)
    world.runtime.gate.end()
    assert not world.runtime.gate.open
    assert lots.claim(world.runtime, names) == []
    send(world.runtime, *names[0])
    assert [world.state(payment_id) for payment_id, _ in names] == ["dispatched", "dispatched"]
    assert world.safe.sent == []


@pytest.mark.parametrize("verb", ["send", "lot"])
def test_it_claims_nothing_when_it_gets_a_connection_late(
    world: World, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = dispatched(world, 1)
    asked_while_it_waits(world, monkeypatch)
    if verb == "send":
        send(world.runtime, *names[0])
    else:
        assert lots.claim(world.runtime, names) == []
    assert world.state(names[0][0]) == "dispatched"


def test_what_is_claimed_and_not_on_the_wire_is_given_back(world: World) -> None:
    (name,) = dispatched(world, 1)
    world.safe.auths.append(stops(world, Auth()))
    send(world.runtime, *name)
    assert world.safe.sent == []
    assert world.state(name[0]) == "waiting"
    assert due(world, name[0])
    assert world.attempt(name[0])["meaning"] == "not_sent"
    assert not world.payment(name[0])["possibly_sent"]


def test_what_is_left_of_a_lot_is_given_back(world: World) -> None:
    names = dispatched(world, 3)
    claims = lots.claim(world.runtime, names)
    world.safe.answers.append(stops(world, AGAIN))
    for one in claims:
        lots.send(world.runtime, one, Recorder(world.runtime).put)
    assert len(world.safe.sent) == 1
    assert [world.state(payment_id) for payment_id, _ in names] == ["waiting"] * 3
    assert [due(world, payment_id) for payment_id, _ in names[1:]] == [True, True]


def test_a_check_resends_nothing(world: World) -> None:
    payment_id = world.settled("careful", LOOK)
    world.advance(200)
    assert world.dispatched("careful") == [payment_id]
    looked: CheckResult = ABSENT
    world.careful.verdicts.append(stops(world, looked))
    check(world.runtime, *world.named(payment_id))  # type: ignore[misc]
    assert len(world.careful.sent) == 1
    assert world.state(payment_id) == "unknown"


def test_a_receipt_is_not_asked_for(world: World) -> None:
    world.settled(receipt=WANTED)
    (follow_up_id,) = world.dispatched()
    world.safe.auths.append(stops(world, Auth()))
    follow_up(world.runtime, follow_up_id)
    assert world.safe.receipts_sent == []
    assert world.rows("SELECT state FROM follow_ups") == [{"state": "waiting"}]


def test_what_it_holds_and_nobody_claimed_is_due_at_once(world: World) -> None:
    names = dispatched(world, 3)
    send(world.runtime, *names[0])
    another = [(names[1][0], "another's"), (names[2][0], None)]
    assert give_back(world.runtime, another, []) == (1, 0), "an older version's message names no reference"
    assert give_back(world.runtime, names, []) == (1, 0), "what is claimed, or due already, stays as it is"
    assert world.state(names[0][0]) == "succeeded"
    assert sorted(world.dispatched()) == [payment_id for payment_id, _ in names[1:]]
    send(world.runtime, *names[1])
    assert world.attempt(names[1][0])["meaning"] == "succeeded"


def test_a_check_that_nobody_claimed_is_due_at_once(world: World) -> None:
    payment_id = world.settled("careful", LOOK)
    world.advance(200)
    assert world.dispatched("careful") == [payment_id]
    assert world.dispatched("careful") == []
    assert give_back(world.runtime, [world.named(payment_id)], []) == (1, 0)  # type: ignore[list-item]
    assert world.dispatched("careful") == [payment_id]


def test_a_check_that_waits_on_its_rung_waits_on(world: World) -> None:
    payment_id = world.settled("careful", LOOK)
    world.run("careful")  # inconclusive
    assert world.state(payment_id) == "unknown"
    assert give_back(world.runtime, [world.named(payment_id)], []) == (0, 0)  # type: ignore[list-item]


def test_a_follow_up_that_nobody_claimed_is_due_at_once(world: World) -> None:
    world.settled(receipt=WANTED)
    found = world.dispatched()
    assert world.dispatched() == []
    assert give_back(world.runtime, [], found) == (0, 1)
    assert world.dispatched() == found

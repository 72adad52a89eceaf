"""Receipts: a follow-up of a success that never changes its payment."""

from typing import Any

import pytest

from shared.domain.answers import Answer
from shared.domain.codes import Code
from shared.domain.payment import HoldReason
from shared.domain.request import Hold, Refusal
from shared.follow_ups.ask import follow_up
from tests.support.flow import AGAIN, LOOK, NO, NOT_SENT, OK, REAUTH, World

WANTED = {"register": "", "email": "a@example.com"}


def kept(world: World) -> dict[str, Any]:
    (row,) = world.rows("SELECT f.*, due_at - clock() AS due_in FROM follow_ups f")
    return row


def told(world: World) -> list[str]:
    return [row["type"] for row in world.rows("SELECT type FROM events WHERE type LIKE '%%receipt%%' ORDER BY id")]


@pytest.mark.parametrize("answer", [NO, AGAIN, LOOK, NOT_SENT])
def test_a_receipt_follows_success_only(world: World, answer: Answer) -> None:
    world.settled("safe", answer, receipt=WANTED)
    assert world.rows("SELECT * FROM follow_ups") == []


def test_nothing_follows_a_success_that_asked_for_no_receipt(world: World) -> None:
    world.settled("safe", OK)
    assert world.rows("SELECT * FROM follow_ups") == []


@pytest.mark.parametrize(
    ("answer", "state", "events"),
    [
        (OK, "issued", ["settlepipe.receipt.issued"]),
        (NO, "refused", ["settlepipe.receipt.refused"]),
        (LOOK, "parked", ["settlepipe.receipt.parked"]),
        (AGAIN, "parked", ["settlepipe.receipt.parked"]),
        (ZeroDivisionError(), "parked", ["settlepipe.receipt.parked"]),
        (NOT_SENT, "waiting", []),
        (REAUTH, "waiting", []),
    ],
)
def test_whatever_becomes_of_a_receipt_its_payment_stays_as_it_is(
    world: World, answer: Answer, state: str, events: list[str]
) -> None:
    payment_id = world.settled("safe", OK, receipt=WANTED)
    before = world.payment(payment_id)
    world.safe.receipts.append(answer)
    assert world.run() == [kept(world)["id"]]
    assert kept(world)["state"] == state
    assert told(world) == events
    after = world.payment(payment_id)
    numbered = {"event_seq": before["event_seq"] + len(events)}  # its events are told with the payment's
    assert {**after, "due_in": None} == {**before, "due_in": None, **numbered}


def test_a_receipt_is_asked_for_with_the_same_bytes_again_only_when_it_was_not_sent(world: World) -> None:
    world.settled("safe", OK, receipt=WANTED)
    world.safe.receipts.extend([NOT_SENT, OK])
    world.run()
    world.advance(10)
    world.run()
    assert kept(world)["state"] == "issued"
    assert len(world.safe.receipts_sent) == 2
    assert len(set(world.safe.receipts_sent)) == 1


def test_a_parked_receipt_is_not_asked_for_again(world: World) -> None:
    world.settled("safe", OK, receipt=WANTED)
    world.safe.receipts.append(LOOK)
    world.run()
    world.advance(1_000_000)
    assert world.run() == []
    follow_up(world.runtime, kept(world)["id"])
    assert len(world.safe.receipts_sent) == 1


class Died(BaseException):
    """Ends a process between its claim and its record, like a kill."""


def test_a_lost_receipt_is_parked_and_told(world: World) -> None:
    world.settled("safe", OK, receipt=WANTED)
    world.safe.receipts.append(Died())
    with pytest.raises(Died):
        world.run()
    assert len(world.safe.receipts_sent) == 1
    world.advance(59)
    world.run()
    assert kept(world)["state"] == "sending"
    world.advance(2)
    world.run()
    assert (kept(world)["state"], told(world)) == ("parked", ["settlepipe.receipt.parked"])


def test_a_redelivered_message_asks_for_a_receipt_once(world: World) -> None:
    world.settled("safe", OK, receipt=WANTED)
    world.run()
    follow_up(world.runtime, kept(world)["id"])
    assert len(world.safe.receipts_sent) == 1


def test_a_receipt_that_can_not_be_built_waits_or_is_refused(world: World) -> None:
    world.settled("safe", OK, receipt=WANTED)
    none = Refusal("this service gives none", Code.RECEIPT_NOT_POSSIBLE)
    world.safe.builds.extend([Hold(HoldReason.NO_ACCOUNT, "no list"), none])
    world.run()
    assert (kept(world)["state"], kept(world)["detail"]) == ("waiting", "no list")
    world.advance(301)
    world.run()
    assert (kept(world)["state"], kept(world)["detail"]) == ("refused", "this service gives none")


def test_a_provider_without_receipts_refuses_them(world: World) -> None:
    world.settled("careful", OK, receipt=WANTED)
    world.run("careful")
    assert kept(world)["state"] == "refused"


def test_no_receipt_is_claimed_while_an_outcome_waits_to_be_written(world: World) -> None:
    world.settled("safe", OK, receipt=WANTED)
    with world.runtime.gate.closed():
        world.run()
    assert kept(world)["state"] == "dispatched"
    assert world.safe.receipts_sent == []


def test_no_receipt_is_claimed_in_a_lane_that_stands_still(world: World) -> None:
    world.settled("safe", OK, receipt=WANTED)
    world.dispatched()
    world.execute("UPDATE lanes SET paused_at = clock()")
    follow_up(world.runtime, kept(world)["id"])
    assert kept(world)["state"] == "dispatched"

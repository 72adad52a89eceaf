"""A claim whose answer was lost: nothing was sent under it, and only its own token may say so."""

import threading

import psycopg
import pytest

from shared import unclaim as unclaim_module
from shared.database.engine import AWAY
from shared.follow_ups.ask import follow_up
from shared.payments.check import check
from shared.payments.send import send
from shared.payments.store import send as send_store
from tests.support.bank import until
from tests.support.cut import way_of
from tests.support.flow import ABSENT, APPLIED, LOOK, OK, World

WINDOW_S = 151
CLAIM, RESEND = "state, '') = 'dispatched' AND p.due_at", "state = 'unknown' AND p.checks"


@pytest.mark.parametrize("provider", ["safe", "careful"])
def test_a_claim_that_met_a_dead_connection_is_made_on_another_one(world: World, provider: str) -> None:
    payment_id = world.pay(provider)
    world.dispatched(provider)
    with way_of(world) as way:
        way.cut(CLAIM, "before")
        send(world.runtime, payment_id)
        assert way.cuts == 1
    assert (world.state(payment_id), world.payment(payment_id)["attempts"]) == ("succeeded", 1)


@pytest.mark.parametrize("provider", ["safe", "careful"])
def test_a_claim_that_was_committed_unseen_is_ended_and_its_payment_sent_soon(world: World, provider: str) -> None:
    payment_id = world.pay(provider)
    world.dispatched(provider)
    with way_of(world) as way:
        way.cut(CLAIM, "after")
        send(world.runtime, payment_id)
        assert way.cuts == 1
        until(lambda: world.state(payment_id), "waiting")
        payment = world.payment(payment_id)
        assert (payment["in_doubt"], payment["possibly_sent"]) == (False, False)
        assert world.attempt(payment_id)["meaning"] == "not_sent"
        assert world.run(provider) == [payment_id], "no clock was moved"
    assert (world.state(payment_id), world.payment(payment_id)["attempts"]) == ("succeeded", 2)
    assert len(world.providers[provider].sent) == 1


def test_a_claim_that_was_lost_twice_is_ended_when_postgresql_answers_again(world: World) -> None:
    payment_id = world.pay("careful")
    world.dispatched("careful")
    with way_of(world) as way:
        way.cut(CLAIM, "after")
        way.cut(CLAIM, "before")
        way.cut("SELECT number, ended_at", "before", times=2)
        with pytest.raises(AWAY):
            send(world.runtime, payment_id)
        until(lambda: world.state(payment_id), "waiting")
        assert way.cuts == 4
    assert world.careful.sent == []


def test_one_whose_lease_ran_out_meanwhile_waits_again(world: World) -> None:
    payment_id = world.pay("careful")
    world.dispatched("careful")
    with way_of(world) as way:
        way.cut(CLAIM, "after")
        way.cut(CLAIM, "before")
        way.cut("SELECT number, ended_at", "before", times=1000)
        with pytest.raises(AWAY):
            send(world.runtime, payment_id)
        world.advance(61)
        world.batches("careful")
        assert world.state(payment_id) == "unknown"
        way.cut_nothing()
        until(lambda: world.state(payment_id), "waiting")
    world.run("careful")
    assert (world.state(payment_id), world.careful.doubts) == ("succeeded", [])


def test_the_end_of_a_lost_claim_that_is_lost_itself_is_written_again(world: World) -> None:
    payment_id = world.pay("careful")
    world.dispatched("careful")
    with way_of(world) as way:
        way.cut(CLAIM, "after")
        way.cut("WITH judged", "after")
        send(world.runtime, payment_id)
        until(lambda: way.cuts, 2)
        until(lambda: world.state(payment_id), "waiting")
        world.run("careful")
        until(lambda: len(world.runtime.lost._claims), 0)
    assert world.state(payment_id) == "succeeded"
    assert [world.attempt(payment_id, number)["meaning"] for number in (1, 2)] == ["not_sent", "succeeded"]


def test_the_real_attempt_of_a_redelivered_message_in_the_same_process_is_not_ended(world: World) -> None:
    """The first message's claim never arrived; the second one's is on the wire when the first one's is looked for."""
    payment_id = world.pay("careful")
    world.dispatched("careful")
    on_the_wire, may_end = threading.Event(), threading.Event()

    def slowly() -> object:
        on_the_wire.set()
        assert may_end.wait(30)
        return OK

    world.careful.answers.append(slowly)
    with way_of(world) as way:
        way.cut(CLAIM, "before", times=2)
        with pytest.raises(AWAY):
            send(world.runtime, payment_id)
        second = threading.Thread(target=send, args=(world.runtime, payment_id))
        second.start()
        assert on_the_wire.wait(30)
        until(lambda: len(world.runtime.lost._claims), 2)  # still looked for: a late commit would be found
        ended = unclaimed(world, payment_id)
        assert (ended, world.state(payment_id)) == ([False, False], "sending")
        may_end.set()
        second.join(30)
    assert (world.state(payment_id), len(world.careful.sent)) == ("succeeded", 1)


def unclaimed(world: World, payment_id: int) -> list[bool]:
    """Look for the lost claims at once, as the thread does."""
    with world.runtime.database.connection() as connection:
        return [
            send_store.unclaim(connection, payment_id, token, world.runtime.limits)
            for _, token in world.runtime.lost._claims
        ]


def test_a_resend_whose_claim_was_committed_unseen_is_looked_at_again_soon(world: World) -> None:
    payment_id = world.settled("careful", LOOK)
    world.advance(WINDOW_S)
    world.careful.verdicts.append(ABSENT)
    world.dispatched("careful")
    with way_of(world) as way:
        way.cut(RESEND, "after")
        check(world.runtime, payment_id)
        until(lambda: world.state(payment_id), "unknown")
        until(lambda: world.attempt(payment_id, 2)["meaning"], "not_sent")
        world.careful.verdicts.append(APPLIED)
        world.run("careful")
    assert (world.state(payment_id), len(world.careful.sent)) == ("succeeded", 1)


@pytest.mark.parametrize("statement", [RESEND, "SET checks = p.checks + 1"])
def test_a_check_that_met_a_dead_connection_goes_on_on_another_one(world: World, statement: str) -> None:
    payment_id = world.settled("careful", LOOK)
    world.advance(WINDOW_S)
    world.careful.verdicts.append(ABSENT)
    world.dispatched("careful")
    with way_of(world) as way:
        way.cut(statement, "before")
        check(world.runtime, payment_id)
        assert way.cuts == 1
    assert (world.state(payment_id), len(world.careful.sent)) == ("succeeded", 2)


def test_a_follow_up_whose_claim_was_lost_waits_and_is_asked_for_once(world: World) -> None:
    world.settled("safe", OK, receipt={"register": ""})
    (follow_up_id,) = world.dispatched()
    with way_of(world) as way:
        way.cut("UPDATE follow_ups f SET state = 'sending'", "after")
        follow_up(world.runtime, follow_up_id)
        assert way.cuts == 1
    assert world.value("SELECT state FROM follow_ups") == "sending"
    world.advance(61)
    world.run()
    assert (world.value("SELECT state FROM follow_ups"), len(world.safe.receipts_sent)) == ("issued", 1)


def test_few_lost_claims_are_remembered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unclaim_module, "_MAX_LOST", 2)
    ids = [world.pay("careful") for _ in range(3)]
    world.dispatched("careful")
    with way_of(world) as way:
        way.cut(CLAIM, "before", times=6)
        way.cut("SELECT number, ended_at", "before", times=1000)
        for payment_id in ids:
            with pytest.raises(AWAY):
                send(world.runtime, payment_id)
        assert len(world.runtime.lost._claims) == 2


def test_a_claim_whose_row_can_not_be_read_is_ended_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    payment_id = world.pay("careful")
    world.dispatched("careful")

    def unreadable(_row: object) -> None:
        raise NotImplementedError("can't parse timestamptz")

    with monkeypatch.context() as patched:
        patched.setattr(send_store, "payment", unreadable)
        with pytest.raises(NotImplementedError):
            send(world.runtime, payment_id)
    until(lambda: world.state(payment_id), "waiting")
    world.run("careful")
    assert world.state(payment_id) == "succeeded"


@pytest.mark.parametrize("statement", ["attempts.record", "both"])
def test_an_outcome_that_postgresql_refuses_ends_its_attempt_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    record, failures = send_store.record, [psycopg.errors.DataError("refused")] * (1 if statement != "both" else 2)

    def refused(*given: object) -> object:
        if failures:
            raise failures.pop()
        return record(*given)  # type: ignore[arg-type]

    payment_id = world.pay("careful")
    world.dispatched("careful")
    monkeypatch.setattr(send_store, "record", refused)
    if statement == "both":
        with pytest.raises(psycopg.errors.DataError):
            send(world.runtime, payment_id)
        assert world.attempt(payment_id)["ended_at"] is not None
        world.advance(WINDOW_S + 61)
        world.careful.verdicts.append(APPLIED)
        world.run("careful")
    else:
        send(world.runtime, payment_id)
    assert (world.state(payment_id), len(world.careful.sent)) == ("succeeded", 1)


def test_a_resend_that_a_person_asked_for_and_whose_sender_never_ends_is_parked_again_with_that_reason(
    world: World,
) -> None:
    payment_id = world.pay("careful")
    world.dispatched("careful")
    with world.runtime.database.connection() as connection:  # somebody who lives, and never says how it ended
        assert send_store.claim(
            connection, payment_id, world.runtime.worker_key, world.runtime.limits, seen=world.runtime.seen
        )
    world.runtime = world.another()
    world.advance(61)
    world.batches("careful")
    world.execute("UPDATE payments SET resend_asked = true, deadline = NULL")
    world.careful.verdicts.extend([ABSENT] * 20)
    checked = 0
    while world.state(payment_id) == "unknown" and checked < 20:
        world.advance(WINDOW_S + 21_600)
        world.run("careful")
        checked += 1
    assert (world.state(payment_id), world.careful.sent, checked) == ("parked", [], 5)
    assert "has not ended" in world.payment(payment_id)["detail"]

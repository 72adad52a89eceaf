"""Lots: several claims in one statement, several successes in one, and nothing else than one alone would do."""

import dataclasses
import threading
from functools import partial
from typing import Any

import pytest

from shared import lanes
from shared.database import store as whole
from shared.database.engine import AWAY
from shared.payments import dispatch, lots
from shared.payments.lots import Claimed
from shared.payments.recorder import Recorder
from shared.payments.release import release_refunds
from shared.payments.send import attempted, send
from shared.payments.store import lots as store
from shared.runtime import boot_time_s
from tests.support.bank import until
from tests.support.cut import way_of
from tests.support.flow import AGAIN, HALT, LOOK, NO, OK, World
from worker.lots import Pace, Sending

CLAIM, SUCCEEDED = "WITH free AS", "WITH ours AS"
_CHANCE = ("id", "intent_id", "sent_reference", "payment_id", "subject", "data", "event_id", "token", "body", "target")
_CLOCK = ("paid_at", "created_at", "deadline", "finished_at", "started_at", "lease_until", "ended_at", "body_sha256")


def dispatched(world: World, count: int, provider: str = "safe") -> list[tuple[int, str]]:
    """So many payments as a message names them."""
    world.accept(*(world.document(provider) for _ in range(count)))
    return [(payment_id, world.named(payment_id)[1]) for payment_id in world.dispatched(provider)]  # type: ignore[index]


def claimed(world: World, names: list[tuple[int, str]]) -> list[int]:
    return [one.claim.payment.id for one in lots.claim(world.runtime, names)]


def send_all(world: World, claims: list[Claimed], written: Recorder) -> None:
    """Send these, and wait until what they came to is written."""
    for later in [lots.send(world.runtime, one, written.put)[1] for one in claims]:
        if later is not None:
            later()


def rows(world: World, payment_id: int) -> dict[str, list[dict[str, Any]]]:
    """Everything that is kept of a payment, but for its names and moments."""
    tables = {"payments": "id", "attempts": "payment_id", "events": "payment_id"}
    return {
        table: [
            {name: value for name, value in row.items() if name not in _CHANCE + _CLOCK}
            for row in world.rows(f"SELECT * FROM {table} WHERE {key} = %s ORDER BY 1, 2", payment_id)
        ]
        for table, key in tables.items()
    }


def test_a_lot_comes_to_the_same_rows_as_one_alone(world: World) -> None:
    names = dispatched(world, 5)
    send(world.runtime, *names[0])
    claims = lots.claim(world.runtime, names)
    assert [one.claim.payment.id for one in claims] == [payment_id for payment_id, _ in names[1:]]
    send_all(world, claims, Recorder(world.runtime))
    alone = rows(world, names[0][0])
    assert alone["payments"][0]["state"] == "succeeded"
    for payment_id, _ in names[1:]:
        assert rows(world, payment_id) == alone
    assert sorted(payment_id for payment_id, _ in world.safe.sent) == sorted(payment_id for payment_id, _ in names)


def test_each_of_a_lot_ends_as_its_own_answer_says(world: World) -> None:
    names = dispatched(world, 4)
    world.safe.answers.extend([OK, NO, AGAIN, OK])
    send_all(world, lots.claim(world.runtime, names), Recorder(world.runtime))
    assert [world.state(payment_id) for payment_id, _ in names] == ["succeeded", "refused", "waiting", "succeeded"]


@pytest.mark.parametrize("provider", ["careful", "ubill"])
def test_what_is_not_promised_safe_is_in_no_lot(world: World, provider: str) -> None:
    assert claimed(world, dispatched(world, 3, provider)) == []


def test_a_refund_is_in_no_lot(world: World) -> None:
    settle = world.document()
    world.accept(settle)
    world.run()
    refund = world.pay(refund_of=settle["intent_id"])
    assert release_refunds(world.runtime) == 1
    assert world.dispatched() == [refund]
    assert claimed(world, [(refund, str(world.payment(refund)["sent_reference"]))]) == []


def test_what_may_have_been_sent_in_a_lost_time_is_in_no_lot(world: World) -> None:
    names = dispatched(world, 2)
    world.execute("UPDATE payments SET possibly_sent = true WHERE id = %s", names[0][0])
    assert claimed(world, names) == [names[1][0]]


def test_another_payment_under_the_same_id_is_in_no_lot(world: World) -> None:
    names = dispatched(world, 2)
    assert claimed(world, [(names[0][0], "another"), names[1]]) == [names[1][0]]


@pytest.mark.parametrize(
    "stops",
    [
        "UPDATE lanes SET paused_at = clock() WHERE provider = 'safe'",
        "UPDATE lanes SET halted_at = clock(), probe_at = clock() WHERE provider = 'safe'",
        "UPDATE lanes SET open_until = clock() + interval '1 hour' WHERE provider = 'safe'",
        "UPDATE payments SET due_at = clock()",
        "UPDATE store SET held_at = clock(), held_reason = 'made up'",
    ],
)
def test_what_stops_one_stops_a_lot(world: World, stops: str) -> None:
    names = dispatched(world, 2)
    world.execute(stops)
    assert claimed(world, names) == []


def test_a_probe_goes_alone(world: World) -> None:
    names = dispatched(world, 2)
    world.execute("UPDATE lanes SET halted_at = clock(), probe_payment_id = %s WHERE provider = 'safe'", names[0][0])
    assert claimed(world, names) == []
    send(world.runtime, *names[0])
    assert world.lane("safe")["running"]
    assert claimed(world, names) == [names[1][0]]


def test_the_success_of_a_probe_is_written_alone(world: World) -> None:
    """It became one after it was claimed: a success of a lot sets no lane going."""
    names = dispatched(world, 1)
    claims = lots.claim(world.runtime, names)
    world.execute("UPDATE lanes SET halted_at = clock(), probe_payment_id = %s WHERE provider = 'safe'", names[0][0])
    send_all(world, claims, Recorder(world.runtime))
    assert (world.state(names[0][0]), world.lane("safe")["running"]) == ("succeeded", True)


def test_once_its_lane_was_seen_to_stand_still_the_rest_of_a_message_is_left(world: World) -> None:
    names = dispatched(world, 4, "careful")
    world.execute("UPDATE lanes SET open_until = clock() + interval '1 hour' WHERE provider = 'careful'")
    recorder = Recorder(world.runtime)
    sending = Sending(world.runtime, "careful", names, recorder.put, Pace(1))
    for item in sending.lots():
        assert sending.do(item) == ()
    assert sending.left == names
    assert dispatch.give_back(world.runtime, sending.left, ()) == (4, 0)


def test_one_alone_is_claimed_whatever_was_seen_of_its_lane(world: World) -> None:
    """It may be the probe."""
    ((payment_id, _),) = names = dispatched(world, 1)
    world.execute("UPDATE lanes SET halted_at = clock(), probe_payment_id = %s WHERE provider = 'safe'", payment_id)
    sending = Sending(world.runtime, "safe", names, Recorder(world.runtime).put, Pace(1))
    world.runtime.stops.saw("safe", boot_time_s())
    for item in sending.lots():
        assert sending.do(item) == ()
    assert (world.state(payment_id), sending.left) == ("succeeded", [])


def test_no_lot_waits_for_a_row_that_somebody_holds(world: World) -> None:
    names = dispatched(world, 3)
    with world.connection.transaction():
        world.execute("SELECT FROM payments WHERE id = %s FOR UPDATE", names[0][0])
        claims = lots.claim(world.runtime, names)
        assert [one.claim.payment.id for one in claims] == [names[1][0], names[2][0]]


def test_a_success_is_written_while_the_next_call_hangs(world: World) -> None:
    names, hangs = dispatched(world, 2), threading.Event()
    written, claims = Recorder(world.runtime), lots.claim(world.runtime, names)
    world.safe.answers.extend([OK, lambda: OK if hangs.wait(60) else LOOK])
    sender = threading.Thread(target=send_all, args=(world, claims, written))
    sender.start()
    until(lambda: world.state(names[0][0]), "succeeded")
    assert world.state(names[1][0]) == "sending"
    hangs.set()
    sender.join(60)
    assert world.state(names[1][0]) == "succeeded"


def test_successes_that_come_close_together_are_written_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.payments.recorder.GATHER_S", 2.0)
    names = dispatched(world, 4)
    written = Recorder(world.runtime)
    first, *others = lots.claim(world.runtime, names)
    send_all(world, [first], written)
    send_all(world, others, written)
    transactions = [
        row["xmin"] for row in world.rows("SELECT xmin::text FROM payments WHERE state = 'succeeded' ORDER BY id")
    ]
    assert len(transactions) == 4
    assert len(set(transactions)) == 2, "the first one at once, the others in one"


def test_a_success_that_its_sender_waits_for_is_written_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.payments.recorder.GATHER_S", 3600.0)
    names = dispatched(world, 2)
    put = Recorder(world.runtime).put
    for name in names:
        send(world.runtime, *name, put)
    assert [world.state(payment_id) for payment_id, _ in names] == ["succeeded"] * 2


def test_successes_whose_commit_was_not_seen_are_told_once(world: World) -> None:
    names = dispatched(world, 3)
    with way_of(world) as way:
        written, claims = Recorder(world.runtime), lots.claim(world.runtime, names)
        way.cut(SUCCEEDED, "after")
        send_all(world, claims, written)
        assert way.cuts == 1
    for payment_id, _ in names:
        assert world.events(payment_id) == ["accepted", "succeeded"]
        assert world.attempt(payment_id)["meaning"] == "succeeded"
    assert world.value("SELECT count(*) FROM discrepancies") == 0


def test_claims_that_were_committed_unseen_are_ended_and_sent_soon(world: World) -> None:
    names = dispatched(world, 3)
    with way_of(world) as way:
        way.cut(CLAIM, "after")
        assert claimed(world, names) == []
        for payment_id, _ in names:
            until(partial(world.state, payment_id), "waiting")
            assert world.attempt(payment_id)["meaning"] == "not_sent"
            assert not world.payment(payment_id)["possibly_sent"]
    assert sorted(world.run()) == sorted(payment_id for payment_id, _ in names)
    assert [world.state(payment_id) for payment_id, _ in names] == ["succeeded"] * 3
    assert len(world.safe.sent) == 3


def test_claims_that_were_lost_twice_are_told(world: World) -> None:
    names = dispatched(world, 2)
    with way_of(world) as way:
        way.cut(CLAIM, "before", times=2)
        with pytest.raises(AWAY):
            lots.claim(world.runtime, names)
    assert world.safe.sent == []


def test_a_claim_of_a_lot_that_has_grown_old_is_not_used(world: World) -> None:
    names = dispatched(world, 2)
    claims = [Claimed(one.claim, one.begun_s - 6) for one in lots.claim(world.runtime, names)]
    send_all(world, claims, Recorder(world.runtime))
    assert world.safe.sent == []
    assert [world.attempt(payment_id)["meaning"] for payment_id, _ in names] == ["not_sent"] * 2
    assert world.run() == [payment_id for payment_id, _ in names], "at once, however often that happens"
    assert len(world.safe.sent) == 2


def pause(world: World) -> None:
    lanes.pause(world.connection, "safe", "Ann")


def hold(world: World) -> None:
    whole.hold(world.connection, "made up")


@pytest.mark.parametrize("stop", [pause, hold])
def test_a_lot_ends_where_a_stop_is_seen(world: World, stop: Any) -> None:
    """What the next success's record sees: the rest is not sent, and due again at once."""
    names = dispatched(world, 4)
    recorder, claims = Recorder(world.runtime), lots.claim(world.runtime, names)
    send_all(world, claims[:1], recorder)
    stop(world)
    send_all(world, claims[1:2], recorder)
    send_all(world, claims[2:], recorder)
    assert [world.state(payment_id) for payment_id, _ in names] == ["succeeded", "succeeded", "waiting", "waiting"]
    assert len(world.safe.sent) == 2
    for payment_id, _ in names[2:]:
        payment = world.payment(payment_id)
        assert (payment["due_in"].total_seconds() <= 0, payment["possibly_sent"]) == (True, False)


def test_an_answer_that_halts_the_lane_ends_the_lot(world: World) -> None:
    names = dispatched(world, 3)
    recorder, claims = Recorder(world.runtime), lots.claim(world.runtime, names)
    world.safe.answers.append(HALT)
    send_all(world, claims, recorder)
    assert len(world.safe.sent) == 1


def test_a_refusal_sees_the_pause_too(world: World) -> None:
    """People pause the lane of a provider that refuses everything."""
    names = dispatched(world, 3)
    recorder, claims = Recorder(world.runtime), lots.claim(world.runtime, names)
    lanes.pause(world.connection, "safe", "Ann")
    world.safe.answers.append(NO)
    send_all(world, claims, recorder)
    assert [world.state(payment_id) for payment_id, _ in names] == ["refused", "waiting", "waiting"]


def test_two_attempts_of_one_payment_in_one_statement_are_told_apart(world: World) -> None:
    """Both succeeded: the older one is not written by the newer one's record, and ends by its own."""
    ((payment_id, reference),) = dispatched(world, 1)
    (old,) = lots.claim(world.runtime, [(payment_id, reference)])
    world.advance(61)
    world.batches()
    assert world.state(payment_id) == "waiting"
    world.advance(60)
    world.dispatched()
    (new,) = lots.claim(world.runtime, [(payment_id, reference)])
    ended = [(one.claim, attempted(world.runtime, one.claim, one.begun_s)) for one in (old, new)]
    with world.runtime.database.connection() as connection:
        written = store.succeeded(connection, "safe", ended, world.runtime.seen)
    assert written.moved == {1}
    assert [world.attempt(payment_id, number)["meaning"] for number in (1, 2)] == [None, "succeeded"]


def test_one_that_cannot_be_claimed_together_keeps_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    names = dispatched(world, 2)

    def broken(*_given: Any, **_named: Any) -> Any:
        raise ValueError("a row that can't be read")

    monkeypatch.setattr(store, "claim", broken)
    assert claimed(world, names) == []
    send(world.runtime, *names[0])
    assert world.state(names[0][0]) == "succeeded"


def test_a_success_that_contradicts_a_person_is_told(world: World) -> None:
    """Somebody decided while it was on its way: the success falls on a final payment."""
    ((payment_id, reference),) = dispatched(world, 1)
    recorder, (one,) = Recorder(world.runtime), lots.claim(world.runtime, [(payment_id, reference)])

    def decided() -> Any:
        world.execute("UPDATE payments SET state = 'unknown', due_at = clock() WHERE id = %s", payment_id)
        world.execute("UPDATE payments SET state = 'refused', due_at = NULL WHERE id = %s", payment_id)
        return OK

    world.safe.answers.append(decided)
    send_all(world, [one], recorder)
    assert world.state(payment_id) == "refused"
    (found,) = world.rows("SELECT category, payment_id FROM discrepancies")
    assert found == {"category": "paid_there_failed_here", "payment_id": payment_id}


def test_what_a_success_cannot_be_written_with_spoils_no_other(world: World) -> None:
    names = dispatched(world, 3)
    recorder, claims = Recorder(world.runtime), lots.claim(world.runtime, names)
    world.execute(
        """ALTER TABLE attempts ADD CONSTRAINT made_up CHECK (detail IS DISTINCT FROM 'a detail that is refused')"""
    )
    try:
        world.safe.answers.extend([OK, _with_detail("a detail that is refused"), OK])
        send_all(world, claims, recorder)
    finally:
        world.execute("ALTER TABLE attempts DROP CONSTRAINT made_up")
    assert [world.state(payment_id) for payment_id, _ in names] == ["succeeded"] * 3


def _with_detail(detail: str) -> Any:

    return dataclasses.replace(OK, detail=detail)

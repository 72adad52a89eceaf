"""What is in the archive is still known, and comes back when it matters."""

import json

import pytest

from shared.archive.recall import recall
from shared.archive.retire import retire
from shared.archive.store import retire as retire_store
from shared.database.engine import Connection
from shared.domain.request import Request
from shared.payments import views
from shared.payments.dispute import dispute_evidence
from shared.payments.release import release_refunds
from shared.payments.send import deliver
from shared.payments.store import accept as accept_store
from shared.payments.store import release as release_store
from shared.payments.store import send as send_store
from tests.support.archived import (
    DAY_S,
    KEEP_S,
    intent_of,
    meanwhile,
    places,
    refunded,
    relayed,
    whole,
    years_later,
)
from tests.support.bank import until
from tests.support.flow import APPLIED, LOOK, NO, OK, World, waits_for_lock


def test_the_same_intent_is_recognised_years_later_and_its_last_event_comes_verbatim(world: World) -> None:
    document = world.document("safe", metadata={"n": 1})
    world.accept(document)
    payment_id = world.id_of(document)
    world.run()
    assert years_later(world) == 1
    before = whole(world, payment_id)
    assert world.accept(document, document) == 0
    pending = world.rows("SELECT event_id, type, subject, data::text, created_at FROM events JOIN outbox USING (id)")
    last = max(before["events"], key=lambda row: row["id"])
    assert [row["event_id"] for row in pending] == [f"{payment_id}-2"] == [last["event_id"]]
    assert (pending[0]["type"], pending[0]["created_at"]) == ("settlepipe.payment.succeeded", last["created_at"])
    assert json.loads(pending[0]["data"]) == last["data"]
    assert len(world.safe.sent) == 1
    assert years_later(world, 1) == 1  # and it goes again when that is relayed
    assert whole(world, payment_id) == before


def test_other_content_under_an_archived_intents_id_is_a_conflict(world: World) -> None:
    document = world.document("safe")
    world.accept(document)
    world.run()
    payment_id = world.id_of(document)
    assert years_later(world) == 1
    assert world.accept(document | {"amount": "99.00"}) == 0
    (row,) = world.rows("SELECT id, reason, conflict_of FROM quarantine")
    assert (row["reason"], row["conflict_of"]) == (
        "this id was used before for an intent with other content",
        payment_id,
    )
    with world.runtime.database.connection() as connection:
        shown = views.quarantined(connection, row["id"])
    assert shown is not None
    assert json.loads(shown["row"])["conflict_of"] == f"shop/{document['intent_id']}"
    assert shown["conflict"]["state"] == "succeeded"
    assert places(world, payment_id) == "archived"


def test_a_repeat_in_the_moment_of_the_move_is_still_answered(world: World) -> None:
    document = world.document("safe")
    world.accept(document)
    world.run()
    relayed(world)
    world.advance(KEEP_S + DAY_S)
    payment_id = world.id_of(document)

    # The move comes between: it is done and not committed when the repeat wants the event.
    with world.runtime.database.connection() as mover:
        with mover.transaction():
            assert retire_store.retire(mover, [payment_id], 400) == 1
            results: list[int] = []
            done = meanwhile(lambda: results.append(world.accept(document)))
            until(lambda: waits_for_lock(world.connection), True)
        done()
    assert results == [0]
    assert world.value("SELECT count(*) FROM events JOIN outbox USING (id)") == 1
    assert {places(world, payment_id, table) for table in ("payments", "attempts", "events")} == {"hot"}


def test_a_repeat_that_is_not_committed_yet_stops_the_move(world: World) -> None:
    payment_id = world.settled("safe", OK)
    relayed(world)
    world.advance(KEEP_S + DAY_S)
    with world.runtime.database.transaction() as repeating:
        accept_store.reemit(repeating, [payment_id])
        assert retire(world.runtime, 10) == 0  # it waits a moment for the event, then gives the batch up
    assert retire(world.runtime, 10) == 0  # the event is pending now
    assert places(world, payment_id, "events") == "hot"
    assert years_later(world, 1) == 1


def test_a_refund_of_an_archived_settle_is_built_from_it_and_sent(world: World) -> None:
    settle = world.settled("safe", OK, target={"invoice": "i-7"})
    assert years_later(world) == 1
    refund = refunded(world, settle, "40.00", OK)
    payment = world.payment(refund)
    assert (payment["state"], payment["settle_id"], payment["target"]["invoice"]) == ("succeeded", settle, "i-7")
    assert {places(world, settle, table) for table in ("payments", "attempts", "events")} == {"hot"}
    assert years_later(world) == 2


def test_a_refund_of_an_archived_settle_is_not_refused_as_unfound(world: World) -> None:
    settle = world.settled("safe", OK)
    assert years_later(world) == 1
    refund = world.pay(refund_of=intent_of(world, settle))
    world.advance(10 * DAY_S)  # the dispatcher was away for longer than a refund waits
    release_refunds(world.runtime)
    assert world.payment(refund)["hold_reason"] is None
    assert world.state(refund) == "accepted"


@pytest.mark.parametrize("final", ["refused", "cancelled"])
def test_a_refund_of_an_archived_settle_that_did_not_succeed_is_refused(world: World, final: str) -> None:
    settle = world.pay()
    world.execute("UPDATE payments SET state = %s, due_at = NULL", final)
    assert years_later(world) == 1
    refund = refunded(world, settle, "40.00")
    assert (world.state(refund), world.payment(refund)["detail"]) == (
        "refused",
        f"its settle {intent_of(world, settle)} was {final}",
    )
    assert places(world, settle) == "archived"


def test_archived_refunds_count_in_the_sum(world: World) -> None:
    settle = world.settled("safe", OK)
    first = refunded(world, settle, "60.00", OK)
    refused = refunded(world, settle, "30.00", NO)
    assert years_later(world) == 3
    too_much = refunded(world, settle, "40.01")
    assert world.state(too_much) == "refused"
    assert "(40.00 MNT)" in world.payment(too_much)["detail"]
    assert {places(world, i) for i in (settle, first, refused)} == {"hot"}
    assert years_later(world, DAY_S) == 3  # the refused one is young: it names no settle and goes later
    assert world.state(refunded(world, settle, "40.00", OK)) == "succeeded"
    assert world.state(refunded(world, settle, "0.01")) == "refused"


def test_two_refunds_at_once_of_an_archived_settle_never_exceed_it(world: World) -> None:
    settle = world.settled("safe", OK)
    refunded(world, settle, "50.00", OK)
    assert years_later(world) == 2
    wanted = [world.pay(refund_of=intent_of(world, settle), amount="50.00") for _ in range(2)]
    other = world.another()
    with world.runtime.database.transaction() as front:
        front.execute("SELECT FROM archive.payments WHERE id = %s FOR UPDATE", (settle,))
        with world.runtime.database.transaction() as busy:  # so that the other release gets the first refund alone
            busy.execute("SELECT FROM payments WHERE id = %s FOR UPDATE", (wanted[1],))
            first = meanwhile(lambda: release_refunds(other))
            until(lambda: waits_for_lock(world.connection, 1), True)
        second = meanwhile(lambda: release_refunds(world.runtime))
        until(lambda: waits_for_lock(world.connection, 2), True)
    first()
    second()
    assert sorted(world.state(i) for i in wanted) == ["accepted", "refused"]


def test_two_releases_that_meet_at_an_archived_settle_wait_for_each_other(world: World) -> None:
    settle = world.settled("safe", OK)
    assert years_later(world) == 1
    wanted = [world.pay(refund_of=intent_of(world, settle), amount="60.00") for _ in range(2)]
    other = world.another()
    with world.runtime.database.transaction() as one:
        recall(one, [settle])  # the first of them, in the middle
        done = meanwhile(lambda: release_refunds(other))
        until(lambda: waits_for_lock(world.connection), True)
    done()
    assert [world.state(i) for i in wanted] == ["accepted", "refused"]
    assert places(world, settle) == "hot"


def test_a_release_locks_a_settle_that_another_one_has_just_brought_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = world.settled("safe", OK)
    assert years_later(world) == 1
    mine, theirs = (world.pay(refund_of=intent_of(world, settle), amount="60.00") for _ in range(2))
    with world.another().database.connection() as other:

        def meets(connection: Connection, ids: list[int]) -> None:
            recall(other, ids)
            other.execute("COMMIT; BEGIN")
            assert release_store.settle(other, settle).refunded_minor == 0
            release_store.release(other, theirs, Request("/refund", b"{}"), settle)
            recall(connection, ids)

        monkeypatch.setattr(release_store, "recall", meets)
        other.execute("BEGIN")
        other.execute("SELECT FROM payments WHERE id = %s FOR UPDATE", (theirs,))
        done = meanwhile(lambda: release_refunds(world.runtime))
        until(lambda: waits_for_lock(world.connection), True)
        other.execute("COMMIT")
        done()
    assert (world.state(theirs), world.state(mine)) == ("accepted", "refused")
    assert "(40.00 MNT)" in world.payment(mine)["detail"]


def test_a_release_that_meets_the_move_of_its_settle_brings_it_back(world: World) -> None:
    settle = world.settled("safe", OK)
    relayed(world)
    world.advance(KEEP_S + DAY_S)
    with world.runtime.database.connection() as mover:
        with mover.transaction():
            assert retire_store.retire(mover, [settle], 400) == 1
            refund = world.pay(refund_of=intent_of(world, settle), amount="60.00")
            done = meanwhile(lambda: release_refunds(world.runtime))
            until(lambda: waits_for_lock(world.connection), True)
        done()
    assert world.payment(refund)["settle_id"] == settle
    assert places(world, settle) == "hot"


def test_late_evidence_against_an_archived_payment_is_a_discrepancy_and_keeps_it_hot(world: World) -> None:
    payment_id = world.settled("safe", NO)
    assert years_later(world) == 1
    dispute_evidence(world.runtime, payment_id, {"paid": "100.00"})
    assert world.events(payment_id) == ["accepted", "refused", "disputed"]
    assert world.value("SELECT category FROM discrepancies") == "paid_there_failed_here"
    assert years_later(world) == 0
    assert places(world, payment_id) == "hot"


def test_evidence_that_agrees_with_an_archived_payment_changes_nothing_of_it(world: World) -> None:
    payment_id = world.settled("safe", OK)
    assert years_later(world) == 1
    dispute_evidence(world.runtime, payment_id, {"paid": "100.00"})
    assert world.events(payment_id) == ["accepted", "succeeded"]
    assert years_later(world, 1) == 1


def test_a_sender_that_slept_until_its_payment_was_archived_still_tells_of_the_duplicate(world: World) -> None:
    payment_id = world.pay("careful")
    world.dispatched("careful")
    with world.runtime.database.connection() as connection:
        claim = send_store.claim(
            connection, payment_id, world.runtime.worker_key, world.runtime.limits, seen=world.runtime.seen
        )
    assert claim is not None
    world.advance(61)
    world.batches("careful")
    world.execute("UPDATE payments SET state = 'sending', attempts = 2, due_at = clock()")
    world.execute(
        """INSERT INTO attempts SELECT payment_id, 2, started_at, lease_until, ended_at, worker_key, body_sha256,
        'succeeded' FROM attempts"""
    )
    world.execute("UPDATE payments SET state = 'succeeded', due_at = NULL")
    assert years_later(world) == 1
    deliver(world.runtime, claim, float("inf"))
    assert world.value("SELECT category FROM discrepancies") == "duplicate_at_provider"
    assert world.events(payment_id)[-1] == "disputed"


def test_a_check_that_slept_until_its_payment_was_archived_tells_what_it_saw(world: World) -> None:
    payment_id = world.settled("careful", LOOK)

    def sleeps() -> object:
        world.execute("UPDATE payments SET state = 'refused', due_at = NULL")
        assert years_later(world) == 1
        return APPLIED

    world.careful.verdicts.append(sleeps)
    world.run("careful")
    assert world.value("SELECT category FROM discrepancies") == "paid_there_failed_here"
    assert world.state(payment_id) == "refused"

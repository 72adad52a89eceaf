"""Old finished payments leave the hot tables whole; what is open about one keeps it there."""

import pytest

from shared.archive.retire import retire
from shared.archive.twins import FOLLOW_UPS, TABLES
from shared.payments.dispute import dispute_evidence
from shared.payments.release import release_refunds
from tests.support.archived import DAY_S, KEEP_S, intent_of, places, refunded, relayed, rich, whole, years_later
from tests.support.flow import LOOK, NO, OK, World


def test_a_finished_payment_moves_whole_when_it_is_old_enough(world: World) -> None:
    payment_id = rich(world)
    before = whole(world, payment_id)
    assert all(before[table] for table in TABLES)
    relayed(world)
    before = whole(world, payment_id)
    assert years_later(world, KEEP_S - 300_000) == 0
    assert years_later(world, 600_000) == 1
    assert {places(world, payment_id, table) for table in TABLES} == {"archived"}
    assert whole(world, payment_id) == before


@pytest.mark.parametrize("final", ["succeeded", "refused", "cancelled"])
def test_each_final_state_goes_and_writes_no_event(world: World, final: str) -> None:
    payment_id = world.pay()
    world.execute("UPDATE payments SET state = %s, due_at = NULL WHERE id = %s", final, payment_id)
    told = world.value("SELECT count(*) FROM events")
    assert years_later(world) == 1
    assert places(world, payment_id) == "archived"
    assert world.value("SELECT count(*) FROM archive.events") == told
    assert world.value("SELECT count(*) FROM events") == 0


@pytest.mark.parametrize("provider", ["safe", "careful"])
def test_what_is_not_finished_stays_however_old(world: World, provider: str) -> None:
    held = world.pay(provider, refund_of="ord-never")
    parked = world.settled(provider, LOOK)
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL WHERE id = %s", parked)
    accepted = world.pay(provider)
    assert years_later(world) == 0
    assert {places(world, i) for i in (held, accepted, parked)} == {"hot"}


def test_a_pending_event_keeps_its_payment_hot_and_no_other(world: World) -> None:
    payment_id, other = world.settled("safe", OK), world.settled("safe", OK)
    relayed(world)
    world.execute("INSERT INTO outbox SELECT id FROM events WHERE event_id = %s", f"{payment_id}-2")
    world.advance(KEEP_S + DAY_S)
    assert retire(world.runtime, 10) == 1
    assert (places(world, payment_id), places(world, other)) == ("hot", "archived")
    relayed(world)
    assert retire(world.runtime, 10) == 1
    assert places(world, payment_id) == "archived"


def test_an_open_discrepancy_keeps_its_payment_hot_until_it_is_resolved(world: World) -> None:
    payment_id = world.settled("safe", NO)
    dispute_evidence(world.runtime, payment_id, {"paid": "100.00"})
    assert years_later(world) == 0
    world.execute("UPDATE discrepancies SET resolved_at = clock(), resolved_by = 'Ann'")
    assert years_later(world, 1) == 1
    assert world.value("SELECT payment_id FROM discrepancies") == payment_id


@pytest.mark.parametrize("state", ["waiting", "parked"])
def test_an_unfinished_follow_up_keeps_its_payment_hot(world: World, state: str) -> None:
    payment_id = world.settled("safe", OK, receipt={"register": "", "email": "a@example.com"})
    world.execute(
        f"UPDATE {FOLLOW_UPS} SET state = %s, due_at = CASE WHEN %s = 'waiting' THEN clock() END", state, state
    )
    assert years_later(world) == 0
    world.execute(f"UPDATE {FOLLOW_UPS} SET state = 'refused', due_at = NULL, finished_at = clock()")
    assert years_later(world, 1) == 1
    assert places(world, payment_id, FOLLOW_UPS) == "archived"


def test_a_settle_stays_hot_while_a_refund_of_it_is_open_or_young(world: World) -> None:
    settle = world.settled("safe", OK)
    world.advance(KEEP_S)
    refund = refunded(world, settle, "40.00", LOOK)
    assert world.state(refund) == "unknown"
    assert years_later(world, DAY_S) == 0
    world.execute("UPDATE payments SET state = 'succeeded' WHERE id = %s", refund)
    assert years_later(world, DAY_S) == 0  # it is final, and younger than its settle
    assert years_later(world, KEEP_S) == 2
    assert {places(world, i) for i in (settle, refund)} == {"archived"}


def test_a_held_refund_keeps_its_settle_hot(world: World) -> None:
    settle = world.settled("safe", OK)
    world.advance(KEEP_S)
    refund = world.pay(refund_of=intent_of(world, settle))
    assert years_later(world, DAY_S) == 0
    world.execute("UPDATE payments SET state = 'cancelled', hold_reason = NULL WHERE id = %s", refund)
    assert years_later(world, 1) == 1


def test_a_refund_that_never_found_its_settle_goes_alone(world: World) -> None:
    refund = world.pay(refund_of="ord-never")
    world.advance(2 * DAY_S)
    release_refunds(world.runtime)
    assert world.state(refund) == "refused"
    assert years_later(world) == 1

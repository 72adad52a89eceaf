"""The table of legal transitions is the database's too."""

import psycopg
import pytest

from shared.domain.payment import FINAL, TRANSITIONS, State
from tests.support.flow import NOT_SENT, World

_DUE = {State.ACCEPTED, State.DISPATCHED, State.SENDING, State.WAITING, State.UNKNOWN}


def moved(world: World, payment_id: int, start: State, to: State) -> bool:
    """Put a payment in a state with the triggers off, then try the transition with them on."""
    due, final = start in _DUE, start in FINAL
    world.execute("ALTER TABLE payments DISABLE TRIGGER USER")
    world.execute(
        """UPDATE payments SET state = %s, due_at = CASE WHEN %s THEN clock() END,
            finished_at = CASE WHEN %s THEN clock() END WHERE id = %s""",
        start.value,
        due,
        final,
        payment_id,
    )
    world.execute("ALTER TABLE payments ENABLE TRIGGER USER")
    try:
        world.execute(
            "UPDATE payments SET state = %s, due_at = CASE WHEN %s THEN clock() END WHERE id = %s",
            to.value,
            to in _DUE,
            payment_id,
        )
    except psycopg.errors.CheckViolation as error:
        assert "may not change like this" in str(error)  # noqa: PT017 - the other outcome is no defect
        return False
    return True


def test_the_database_allows_exactly_the_transitions_of_the_table(own_world: World) -> None:
    world = own_world
    payment_id = world.pay()
    pairs = [(start, to) for start in State for to in State if start is not to]
    allowed = {(start, to) for start, to in pairs if moved(world, payment_id, start, to)}
    assert allowed == {(start, to) for start, tos in TRANSITIONS.items() for to in tos if start is not to}
    assert len(pairs) == 72


def test_a_dispatched_payment_may_be_dispatched_again(world: World) -> None:
    assert State.DISPATCHED in TRANSITIONS[State.DISPATCHED]
    payment_id = world.pay()
    world.dispatched()
    world.advance(61)
    assert world.dispatched() == [payment_id]


def test_final_states_have_no_way_out_and_evidence_may_end_all_others() -> None:
    assert {state for state, tos in TRANSITIONS.items() if not tos} == FINAL
    assert all(State.SUCCEEDED in tos for state, tos in TRANSITIONS.items() if state not in FINAL)
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize(("possibly_sent", "allowed"), [(False, True), (True, False)])
def test_only_what_was_never_sent_can_be_cancelled(world: World, possibly_sent: bool, allowed: bool) -> None:
    payment_id = world.settled("safe", NOT_SENT)
    world.execute("UPDATE payments SET possibly_sent = %s", possibly_sent)
    if allowed:
        world.execute("UPDATE payments SET state = 'cancelled', due_at = NULL")
        assert world.payment(payment_id)["final"]
    else:
        with pytest.raises(psycopg.errors.CheckViolation):
            world.execute("UPDATE payments SET state = 'cancelled', due_at = NULL")


@pytest.mark.parametrize("final", sorted(FINAL))
def test_a_final_payment_keeps_what_it_is(world: World, final: State) -> None:
    payment_id = world.pay()
    world.execute("UPDATE payments SET state = %s", final.value)
    payment = world.payment(payment_id)
    assert (payment["due_at"], payment["hold_reason"], payment["final"]) == (None, None, True)


@pytest.mark.parametrize("amount", [0, -1])
def test_the_database_refuses_an_amount_that_is_not_above_zero(own_world: World, amount: int) -> None:
    world = own_world
    world.pay()
    world.execute("ALTER TABLE payments DISABLE TRIGGER USER")
    with pytest.raises(psycopg.errors.CheckViolation):
        world.execute("UPDATE payments SET amount_minor = %s", amount)

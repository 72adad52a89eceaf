"""Every state of a payment, under every event: nothing is sent that may have been applied, nothing is left for ever."""

from dataclasses import replace
from functools import cache

import pytest

from shared.domain.answers import Meaning
from shared.domain.payment import TRANSITIONS, State
from tests.support.model.abstract import Abstract, Attempt, End, Event
from tests.support.model.every import Graph, Operated, goes_on_by_itself, graph, operated, without_a_way_on, wrong

OPERATED = list(operated())
MOST_ATTEMPTS = 2  # tests/proof tries three
NEVER = {
    (State.ACCEPTED, State.REFUSED),  # by `accept` and `release`, of what can never be sent
    (State.PARKED, State.WAITING),  # no verb does this: a person's resend is looked at first
}
# What may have been applied never comes to wait, or be dispatched, for a resend that is not safe: but for a lost time
# these are the net below.
LOST_ALONE = {
    (State.ACCEPTED, State.UNKNOWN),
    (State.WAITING, State.UNKNOWN),
    (State.DISPATCHED, State.UNKNOWN),
}
each_operation = pytest.mark.parametrize("one", OPERATED, ids=lambda one: f"{one.provider}-{one.operation}")


@cache
def found(one: Operated) -> Graph:
    return graph(one.start, one.meanings, MOST_ATTEMPTS)


@each_operation
def test_no_step_of_any_state_does_what_may_never_be(one: Operated) -> None:
    steps = [(before, event, after) for before, steps in found(one).items() for event, after in steps]
    assert len(steps) > 4_000
    assert [(why, *made) for made in steps if (why := wrong(*made))] == []


@each_operation
def test_from_every_state_there_is_a_way_to_an_end(one: Operated) -> None:
    assert list(without_a_way_on(found(one))) == []


@each_operation
def test_nothing_needs_a_living_worker_to_be_taken_up_again(one: Operated) -> None:
    assert [state for state in found(one) if not goes_on_by_itself(state)] == []


def test_every_state_and_every_transition_is_come_to() -> None:
    steps = [(before, after) for one in OPERATED for before, steps in found(one).items() for _, after in steps]
    moves = {(before.state, after.state) for before, after in steps if before.state is not after.state}
    assert moves | NEVER == {(a, b) for a, to in TRANSITIONS.items() for b in to if a is not b}
    assert not moves & NEVER
    assert not {(b.state, a.state) for b, a in steps if not b.lost} & LOST_ALONE


@each_operation
def test_only_what_is_promised_to_be_safe_is_sent_again_unseen(one: Operated) -> None:
    assert one.start.resend_safe or Meaning.RESEND not in one.meanings


DOUBT = Abstract(resend_safe=False, reads_first=False, state=State.DISPATCHED, attempts=(Attempt(End.DOUBT),))
SENT_AGAIN = replace(DOUBT, state=State.SENDING, attempts=(*DOUBT.attempts, Attempt(End.LIVE)))
UNKNOWN = replace(DOUBT, state=State.UNKNOWN, check_due=True)


@pytest.mark.parametrize(
    ("before", "event", "after", "why"),
    [
        (DOUBT, Event("claim"), SENT_AGAIN, "sent again"),
        (UNKNOWN, Event("outcome"), replace(UNKNOWN, state=State.REFUSED), "applied is refused"),
        (DOUBT, Event("cancel"), replace(DOUBT, state=State.CANCELLED), "is cancelled"),
        (DOUBT, Event("lease_lost"), replace(DOUBT, state=State.SUCCEEDED), "without evidence"),
        (DOUBT, Event("cancel"), replace(DOUBT, state=State.PARKED), "not in the table"),
        (replace(DOUBT, state=State.REFUSED), Event("claim"), DOUBT, "final state is left"),
    ],
)
def test_what_may_never_be_is_seen(before: Abstract, event: Event, after: Abstract, why: str) -> None:
    assert why in (wrong(before, event, after) or "")


def test_a_state_without_a_way_on_is_seen() -> None:
    lost = replace(DOUBT, state=State.SENDING)
    assert list(without_a_way_on({lost: [], DOUBT: [(Event("die"), DOUBT)]})) == [lost, DOUBT]

"""What follows from each meaning, for every case."""

import itertools
import random

import pytest

from shared.domain.answers import Meaning, leaves_doubt, next_state
from shared.domain.backoff import full_jitter, next_wait
from shared.domain.payment import TRANSITIONS, State

S, R, W, U = State.SUCCEEDED, State.REFUSED, State.WAITING, State.UNKNOWN
# (resend_safe, in_doubt): (no, no), (no, yes), (yes, no), (yes, yes)
TABLE = {
    Meaning.SUCCEEDED: (S, S, S, S),
    Meaning.REFUSED: (R, U, R, U),
    Meaning.RESEND: (U, U, W, W),
    Meaning.CHECK: (U, U, U, U),
    Meaning.NOT_SENT: (W, W, W, W),
    Meaning.REAUTH: (W, W, W, W),
    Meaning.HALT: (U, U, W, W),
}
CASES = list(itertools.product((False, True), repeat=2))


@pytest.mark.parametrize("meaning", Meaning)
def test_every_meaning_leads_somewhere_legal_in_every_case(meaning: Meaning) -> None:
    found = tuple(next_state(meaning, resend_safe=safe, in_doubt=doubt) for safe, doubt in CASES)
    assert found == TABLE[meaning]
    assert set(found) <= TRANSITIONS[State.SENDING]


@pytest.mark.parametrize("meaning", Meaning)
def test_doubt_is_left_by_what_may_have_been_applied(meaning: Meaning) -> None:
    assert leaves_doubt(meaning) is (meaning in (Meaning.RESEND, Meaning.CHECK, Meaning.HALT))


@pytest.mark.parametrize("attempt", [1, 2, 5, 9, 10, 33, 10_000])
def test_back_off_is_uniform_from_nothing_to_a_ceiling_that_doubles_up_to_the_cap(attempt: int) -> None:
    rng = random.Random(7)
    ceiling = min(900, 2 * 2.0 ** min(attempt, 32))
    waits = [full_jitter(attempt, 2, 900, rng) for _ in range(500)]
    assert 0 <= min(waits) < ceiling * 0.05
    assert ceiling * 0.95 < max(waits) <= ceiling


@pytest.mark.parametrize(("retry_after_s", "least"), [(None, 0), (0.0, 0), (50.0, 50), (5000.0, 5000)])
def test_a_wait_is_never_shorter_than_retry_after(retry_after_s: float | None, least: float) -> None:
    rng = random.Random(7)
    waits = [next_wait(3, 2, 900, retry_after_s, rng) for _ in range(200)]
    assert least <= min(waits)
    assert max(waits) <= max(16, least)

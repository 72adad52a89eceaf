"""Late outcomes: the token fences sending, not truth."""

import pytest

from shared.domain.answers import Answer, Meaning
from shared.payments.send import deliver
from shared.payments.store import send as send_store
from shared.payments.store.send import Claim
from shared.runtime import boot_time_s
from tests.support.flow import ABSENT, AGAIN, APPLIED, LOOK, NO, NOT_SENT, OK, World


def stuck(world: World, provider: str = "safe") -> Claim:
    """A payment whose sender stands still on the wire until its lease has run out."""
    payment_id = world.pay(provider)
    world.dispatched(provider)
    with world.runtime.database.connection() as connection:
        claim = send_store.claim(
            connection, payment_id, world.runtime.worker_key, world.runtime.limits, seen=world.runtime.seen
        )
    assert claim is not None
    world.advance(61)
    world.batches(provider)
    assert world.state(payment_id) == ("waiting" if provider == "safe" else "unknown")
    return claim


def brings(world: World, claim: Claim, answer: Answer) -> None:
    """The stuck sender's answer arrives."""
    world.providers[claim.payment.provider].answers.append(answer)
    deliver(world.runtime, claim, boot_time_s())


@pytest.mark.parametrize("provider", ["safe", "careful"])
def test_a_late_success_wins(world: World, provider: str) -> None:
    claim = stuck(world, provider)
    brings(world, claim, OK)
    assert world.state(claim.payment.id) == "succeeded"
    assert world.payment(claim.payment.id)["provider_reference"] == "P-1"


def test_a_success_under_an_old_token_wins_over_a_newer_attempt(world: World) -> None:
    claim = stuck(world)
    world.advance(10)
    world.safe.answers.append(AGAIN)
    world.run()
    brings(world, claim, OK)
    payment = world.payment(claim.payment.id)
    assert (payment["state"], payment["attempts"]) == ("succeeded", 2)
    assert world.events(claim.payment.id) == ["accepted", "succeeded"]


def test_a_parked_payment_is_succeeded_by_a_late_success(world: World) -> None:
    claim = stuck(world, "careful")
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL")
    brings(world, claim, OK)
    assert world.state(claim.payment.id) == "succeeded"


def test_a_late_refusal_moves_an_unknown_payment_that_has_no_newer_attempt(world: World) -> None:
    claim = stuck(world, "careful")
    brings(world, claim, NO)
    assert world.state(claim.payment.id) == "refused"


@pytest.mark.parametrize("answer", [NO, NOT_SENT, LOOK, AGAIN])
def test_another_late_outcome_corrects_its_own_attempt_and_no_newer_one(world: World, answer: Answer) -> None:
    claim = stuck(world)
    world.advance(10)
    world.safe.answers.append(LOOK)
    world.run()
    before = world.payment(claim.payment.id)
    brings(world, claim, answer)
    after = world.payment(claim.payment.id)
    assert {**after, "due_in": None} == {**before, "due_in": None}
    assert world.attempt(claim.payment.id, 1)["meaning"] == answer.meaning
    assert world.attempt(claim.payment.id, 2)["meaning"] == Meaning.CHECK


def test_a_late_not_sent_takes_the_doubt_away_that_its_lost_lease_left(world: World) -> None:
    claim = stuck(world)
    brings(world, claim, NOT_SENT)
    payment = world.payment(claim.payment.id)
    assert (payment["state"], payment["in_doubt"]) == ("waiting", False)
    assert world.attempt(claim.payment.id)["meaning"] == "not_sent"


def test_a_late_refusal_of_a_waiting_payment_moves_nothing(world: World) -> None:
    claim = stuck(world)
    brings(world, claim, NO)
    assert world.state(claim.payment.id) == "waiting"
    world.safe.answers.append(NO)
    world.advance(10)
    world.run()
    assert world.state(claim.payment.id) == "refused"


@pytest.mark.parametrize("provider", ["safe", "careful"])
def test_a_late_success_against_a_refusal_is_disputed_and_changes_nothing(world: World, provider: str) -> None:
    claim = stuck(world, provider)
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL")
    world.execute("UPDATE payments SET state = 'refused'")
    before = world.payment(claim.payment.id)
    brings(world, claim, OK)
    after = world.payment(claim.payment.id)
    assert after["state"] == "refused"
    assert after["finished_at"] == before["finished_at"]
    (found,) = world.rows("SELECT * FROM discrepancies")
    assert (found["category"], found["payment_id"]) == ("paid_there_failed_here", claim.payment.id)
    assert world.events(claim.payment.id)[-2:] == ["refused", "disputed"]
    (event,) = world.rows("SELECT * FROM events WHERE type LIKE '%%disputed'")
    assert event["event_id"] == f"{claim.payment.id}-{after['event_seq']}"
    assert event["data"]["state"] == "refused"


def test_a_success_against_a_cancelled_payment_is_disputed(world: World) -> None:
    payment_id = world.settled("safe", NOT_SENT)
    world.execute("UPDATE payments SET state = 'cancelled'")
    with world.runtime.database.connection() as connection:
        payment = send_store.current(connection, payment_id)
    brings(world, Claim(payment, 1, True, None), OK)
    assert world.state(payment_id) == "cancelled"
    assert world.events(payment_id) == ["accepted", "cancelled", "disputed"]


def test_the_same_late_evidence_twice_is_one_discrepancy_and_one_event(world: World) -> None:
    claim = stuck(world, "careful")
    world.execute("UPDATE payments SET state = 'refused'")
    brings(world, claim, OK)
    world.advance(60)
    brings(world, claim, OK)
    assert world.value("SELECT last_seen - first_seen > interval '59 s' FROM discrepancies") is True
    assert world.events(claim.payment.id).count("disputed") == 1


@pytest.mark.parametrize(("provider", "found"), [("safe", []), ("careful", ["duplicate_at_provider"])])
def test_a_second_success_is_a_duplicate_where_a_resend_is_not_safe(
    world: World, provider: str, found: list[str]
) -> None:
    claim = stuck(world, provider)
    world.die()
    world.runtime = world.another()
    world.advance(200)
    world.careful.verdicts.append(ABSENT)
    world.run(provider)
    assert world.state(claim.payment.id) == "succeeded"
    brings(world, claim, OK)
    assert [row["category"] for row in world.rows("SELECT category FROM discrepancies")] == found


def test_a_check_that_finds_a_refused_payment_applied_is_disputed(world: World) -> None:
    payment_id = world.settled("careful", LOOK)

    def refused_meanwhile() -> object:
        world.execute("UPDATE payments SET state = 'refused'")
        return APPLIED

    world.careful.verdicts.append(refused_meanwhile)
    world.run("careful")
    assert world.state(payment_id) == "refused"
    assert world.events(payment_id)[-1] == "disputed"

"""What may have been applied is looked at, freshly, before anything is sent again or a no is final."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from shared import lanes, unclaim
from shared.domain.answers import Answer
from shared.payments import check as check_module
from shared.payments import send as send_module
from shared.payments.look import Unresolvable
from shared.payments.release import release_refunds
from shared.payments.resolve import cancel
from shared.payments.send import deliver, send
from shared.payments.store import send as send_store
from shared.payments.store.send import Claim
from shared.providers.base import Auth, LoginBusy, LoginRefused, LoginUnavailable
from shared.runtime import boot_time_s
from tests.support.flow import (
    ABSENT,
    AGAIN,
    APPLIED,
    HALT,
    LOOK,
    NO,
    NOT_SENT,
    OK,
    REAUTH,
    TOO_MANY,
    UNCLEAR,
    World,
)

WINDOW_S = 151
LATER = dataclasses.replace(TOO_MANY, retry_after_s=3600.0)


def ruled_out(world: World, **fields: object) -> int:
    """A payment in doubt whose settle window is over; its next check is due."""
    payment_id = world.settled("careful", LOOK, **fields)
    world.advance(WINDOW_S)
    return payment_id


class Died(BaseException):
    """Ends a sender between its claim and its record, like a kill."""


@pytest.mark.parametrize("answer", [TOO_MANY, NOT_SENT, LATER, REAUTH])
def test_a_resend_that_was_not_taken_is_unknown_again_and_looked_at_before_the_next_one(
    world: World, answer: Answer
) -> None:
    payment_id = ruled_out(world)
    world.careful.verdicts.append(ABSENT)
    world.careful.answers.append(answer)
    world.run("careful")
    payment = world.payment(payment_id)
    assert (payment["state"], payment["in_doubt"], payment["rung"]) == ("unknown", True, 0)
    if answer is LATER:
        assert 3590 < payment["due_in"].total_seconds() <= 3600
    world.careful.verdicts.append(APPLIED)  # the first request came through after all
    world.advance(3601)
    world.run("careful")
    assert world.state(payment_id) == "succeeded"
    assert len(world.careful.sent) == 2
    assert world.events(payment_id) == ["accepted", "unknown", "unknown", "succeeded"]


@pytest.mark.parametrize("fault", [LoginUnavailable("no token"), LoginRefused("refused"), ZeroDivisionError()])
def test_a_resend_whose_log_in_fails_is_looked_at_again(world: World, fault: Exception) -> None:
    payment_id = ruled_out(world)
    world.careful.verdicts.append(ABSENT)
    world.careful.auths.extend([Auth(), fault])  # the check's, then the resend's
    world.run("careful")
    assert (world.state(payment_id), len(world.careful.sent)) == ("unknown", 1)
    world.execute("UPDATE lanes SET halted_at = NULL")
    world.careful.verdicts.append(APPLIED)
    world.advance(900)
    world.run("careful")
    assert (world.state(payment_id), len(world.careful.sent)) == ("succeeded", 1)


def test_a_resend_goes_out_after_the_next_look_that_finds_nothing(world: World) -> None:
    """What was provably not sent needs no settle window of its own."""
    payment_id = ruled_out(world)
    world.careful.answers.extend([TOO_MANY, NOT_SENT, OK])
    world.careful.verdicts.extend([ABSENT] * 3)
    for _ in range(3):
        world.run("careful")
        world.advance(20)
    assert world.state(payment_id) == "succeeded"
    assert (len(world.careful.sent), len(world.careful.doubts)) == (4, 3)


def test_a_process_that_dies_with_a_resend_leaves_its_payment_to_a_look(world: World) -> None:
    payment_id = ruled_out(world)
    world.careful.verdicts.append(ABSENT)
    world.careful.answers.append(Died())
    with pytest.raises(Died):
        world.run("careful")
    world.die()
    world.runtime = world.another()
    world.advance(61)
    world.careful.verdicts.append(APPLIED)
    world.run("careful")
    assert (world.state(payment_id), len(world.careful.sent)) == ("succeeded", 2)


@pytest.mark.parametrize("state", ["waiting", "dispatched"])
def test_what_was_ever_in_doubt_is_not_claimed_from_the_queue_however_it_got_there(world: World, state: str) -> None:
    payment_id = ruled_out(world)
    world.execute("ALTER TABLE payments DISABLE TRIGGER USER")
    world.execute(
        "UPDATE payments SET state = %s, in_doubt = false, due_at = clock() + interval '30 s' WHERE id = %s",
        state,
        payment_id,
    )
    world.execute("ALTER TABLE payments ENABLE TRIGGER USER")
    send(world.runtime, payment_id)
    assert len(world.careful.sent) == 1
    world.advance(31)
    world.careful.verdicts.append(APPLIED)
    assert world.run("careful") == [payment_id]
    assert (world.state(payment_id), len(world.careful.sent)) == ("succeeded", 1)


def test_what_was_never_in_doubt_goes_on_without_a_look(world: World) -> None:
    payment_id = world.settled("careful", TOO_MANY, REAUTH, OK)
    for _ in range(2):
        world.advance(20)
        world.run("careful")
    assert (world.state(payment_id), world.careful.doubts) == ("succeeded", [])


def test_a_resend_that_a_person_asked_for_and_that_did_not_go_out_is_asked_for_still(world: World) -> None:
    payment_id = ruled_out(world)
    world.execute("UPDATE payments SET resend_asked = true")
    world.careful.verdicts.append(ABSENT)
    world.careful.answers.append(TOO_MANY)
    world.run("careful")
    assert (world.state(payment_id), world.payment(payment_id)["resend_asked"]) == ("unknown", True)
    world.careful.verdicts.append(ABSENT)
    world.advance(20)
    world.run("careful")
    assert (world.state(payment_id), world.payment(payment_id)["resend_asked"]) == ("succeeded", False)


@pytest.mark.parametrize("where", ["look", "claim", "log-in"])
def test_a_standstill_between_the_look_and_the_first_byte_makes_the_look_old(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    payment_id = ruled_out(world)
    late = [0.0]

    def frozen(seconds: float, then: Any = None) -> Any:
        late[0] += seconds
        return then

    for module in (check_module, send_module):
        monkeypatch.setattr(module, "boot_time_s", lambda: boot_time_s() + late[0])
    if where == "look":  # each of them alone would still do
        world.careful.verdicts.append(lambda: frozen(7, ABSENT))
        world.careful.auths.extend([Auth(), lambda: frozen(4, Auth())])
    elif where == "claim":
        world.careful.verdicts.append(ABSENT)
        monkeypatch.setattr(check_module, "claimed", _slow_claim(unclaim.claimed, lambda: frozen(11)))
    else:
        world.careful.verdicts.append(ABSENT)
        world.careful.auths.extend([Auth(), lambda: frozen(11, Auth())])
    world.run("careful")
    assert (world.state(payment_id), len(world.careful.sent)) == ("unknown", 1)
    assert world.attempt(payment_id, 2)["meaning"] == "not_sent"


def _slow_claim(claimed: Callable[..., Claim | None], freeze: Callable[[], object]) -> Callable[..., Claim | None]:
    def claim(*given: Any) -> Claim | None:
        freeze()
        return claimed(*given)

    return claim


def refunding(world: World) -> int:
    """A refund in doubt: sent once after a look at the books that said 100.00."""
    settle = world.document("careful")
    world.accept(settle)
    world.run("careful")
    refund = world.pay("careful", refund_of=settle["intent_id"])
    assert release_refunds(world.runtime) == 1
    world.careful.baselines.append({"paid": "100.00"})
    world.careful.answers.append(LOOK)
    world.run("careful")
    assert world.state(refund) == "unknown"
    world.advance(WINDOW_S)
    return refund


def test_a_refund_is_judged_by_the_books_before_its_first_send_as_long_as_that_may_be_applied(world: World) -> None:
    refund = refunding(world)
    world.careful.baselines.append(lambda: pytest.fail("the books of before the first send are what counts"))
    world.careful.verdicts.extend([ABSENT, APPLIED])
    world.careful.answers.append(TOO_MANY)
    world.run("careful")
    assert world.state(refund) == "unknown"
    world.advance(20)
    world.run("careful")
    assert world.state(refund) == "succeeded"
    assert [doubt.payment.baseline for doubt in world.careful.doubts] == [{"paid": "100.00"}] * 2


@pytest.mark.parametrize("provider", ["safe", "careful"])
def test_a_no_after_a_halt_is_looked_at_before_it_is_final(world: World, provider: str) -> None:
    """A 403 may be a filter's, made of the answer to a payment that was booked."""
    payment_id = world.settled(provider, HALT, NO)
    world.execute("UPDATE lanes SET halted_at = NULL")
    scripted = world.providers[provider]
    scripted.verdicts.append(ABSENT if provider == "careful" else APPLIED)
    world.advance(WINDOW_S)
    world.run(provider)
    if provider == "safe":
        assert world.state(payment_id) == "unknown"
        world.run(provider)
        assert (world.state(payment_id), len(scripted.sent)) == ("succeeded", 2)
    else:  # looked at before the second one
        assert (world.state(payment_id), len(scripted.doubts)) == ("refused", 1)


def test_a_second_refused_token_in_a_row_leaves_doubt_like_any_halt(world: World) -> None:
    world.safe.auths.extend([Auth(version=1), Auth(version=2, fresh_after_refusal=True)])
    payment_id = world.settled("safe", REAUTH, REAUTH, NO)
    assert world.payment(payment_id)["in_doubt"] is False
    world.run()
    assert world.payment(payment_id)["in_doubt"] is True
    world.execute("UPDATE lanes SET halted_at = NULL")
    world.advance(900)
    world.run()
    assert world.state(payment_id) == "unknown"


def test_a_success_after_a_halt_needs_no_look(world: World) -> None:
    payment_id = world.settled("safe", HALT, OK)
    world.execute("UPDATE lanes SET halted_at = NULL")
    world.advance(10)
    world.run()
    assert (world.state(payment_id), world.safe.doubts) == ("succeeded", [])


@pytest.mark.parametrize("provider", ["safe", "careful"])
def test_a_payment_whose_lane_halted_before_anything_was_sent_is_not_in_doubt(world: World, provider: str) -> None:
    world.providers[provider].auths.append(LoginRefused("the credentials are refused"))
    payment_id = world.settled(provider)
    payment = world.payment(payment_id)
    assert world.lane(provider)["halted_at"] is not None
    assert (payment["state"], payment["in_doubt"], payment["possibly_sent"]) == ("waiting", False, False)


def test_a_no_that_comes_long_after_a_check_is_looked_at_again(world: World) -> None:
    """Where a resend is safe it goes out without a look; the no that meets it is as old as the check before it."""
    payment_id = world.settled("safe", LOOK, TOO_MANY, NO)
    world.safe.verdicts.extend([ABSENT, APPLIED])
    world.advance(WINDOW_S)
    world.run()
    assert (world.state(payment_id), world.payment(payment_id)["in_doubt"]) == ("waiting", True)
    world.advance(3600)
    world.run()
    assert world.state(payment_id) == "unknown"
    world.run()
    assert world.state(payment_id) == "succeeded"


def stuck(world: World, provider: str = "careful") -> Claim:
    """A payment whose sender stands still before the first byte until its lease has run out."""
    payment_id = world.pay(provider)
    world.dispatched(provider)
    with world.runtime.database.connection() as connection:
        claim = send_store.claim(
            connection, payment_id, world.runtime.worker_key, world.runtime.limits, seen=world.runtime.seen
        )
    assert claim is not None
    world.advance(61)
    world.batches(provider)
    assert world.payment(payment_id)["possibly_sent"] is True
    return claim


def ends_unsent(world: World, claim: Claim) -> None:
    world.providers[claim.payment.provider].auths.append(LoginUnavailable("the log-in hung"))
    deliver(world.runtime, claim, boot_time_s())


@pytest.mark.parametrize("provider", ["safe", "careful"])
def test_what_was_never_sent_waits_again_after_a_log_in_that_outlasted_its_lease(world: World, provider: str) -> None:
    claim = stuck(world, provider)
    ends_unsent(world, claim)
    payment = world.payment(claim.payment.id)
    assert (payment["state"], payment["in_doubt"], payment["possibly_sent"]) == ("waiting", False, False)
    cancel(world.runtime.database, "shop", payment["intent_id"], reason="not wanted", by="ann")
    assert world.state(claim.payment.id) == "cancelled"


def test_a_check_that_was_under_way_meanwhile_moves_nothing(world: World) -> None:
    claim = stuck(world)
    payment_id = claim.payment.id

    def sent_meanwhile() -> object:
        ends_unsent(world, claim)
        assert world.state(payment_id) == "waiting"
        world.advance(5)
        world.careful.answers.append(LOOK)
        world.run("careful")
        assert world.state(payment_id) == "unknown"
        world.advance(WINDOW_S)
        return ABSENT

    world.die()  # else the check would not believe it
    world.runtime = world.another()
    world.advance(WINDOW_S)
    world.careful.verdicts.append(sent_meanwhile)
    world.dispatched("careful")
    check_module.check(world.runtime, payment_id)
    assert (world.state(payment_id), len(world.careful.sent)) == ("unknown", 1)


def test_a_late_not_sent_takes_nothing_back_where_another_attempt_may_have_been_applied(world: World) -> None:
    payment_id = ruled_out(world)
    world.careful.verdicts.append(ABSENT)

    def outlasts_its_lease() -> Auth:
        world.advance(61)
        world.batches("careful")
        assert world.state(payment_id) == "unknown"
        raise LoginUnavailable("the log-in hung")

    world.careful.auths.extend([Auth(), outlasts_its_lease])
    world.run("careful")
    payment = world.payment(payment_id)
    assert (payment["state"], payment["in_doubt"], payment["possibly_sent"]) == ("unknown", True, True)
    with pytest.raises(Unresolvable):
        cancel(world.runtime.database, "shop", payment["intent_id"], reason="not wanted", by="ann")


def test_a_late_not_sent_under_a_newer_attempt_takes_the_flags_back_when_that_was_not_sent_either(world: World) -> None:
    claim = stuck(world, "safe")
    world.advance(10)
    world.safe.answers.append(NOT_SENT)
    world.run()
    before = world.payment(claim.payment.id)
    assert (before["attempts"], before["in_doubt"], before["possibly_sent"]) == (2, True, True)
    ends_unsent(world, claim)
    payment = world.payment(claim.payment.id)
    assert (payment["state"], payment["in_doubt"], payment["possibly_sent"]) == ("waiting", False, False)


def test_somebody_elses_long_login_says_nothing_of_the_provider(world: World) -> None:
    world.careful.auths.append(LoginBusy("another thread's login took more than 5 s"))
    payment_id = world.settled("careful")
    assert (world.state(payment_id), world.lane("careful")["failures"]) == ("waiting", 0)


@pytest.mark.parametrize("answer", [AGAIN, REAUTH, NO])
def test_possibly_sent_stays_where_any_attempt_wrote_a_byte(world: World, answer: Answer) -> None:
    claim = stuck(world, "safe")
    world.advance(10)
    world.safe.answers.append(answer)
    world.run()
    ends_unsent(world, claim)
    assert world.payment(claim.payment.id)["possibly_sent"] is True


def test_a_person_decides_about_what_is_parked_though_it_was_never_sent(world: World) -> None:
    claim = stuck(world)
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL")
    ends_unsent(world, claim)
    payment = world.payment(claim.payment.id)
    assert (payment["state"], payment["in_doubt"], payment["possibly_sent"]) == ("parked", False, False)


def test_a_pause_between_the_look_and_the_resend_sends_nothing_on_the_old_look(world: World) -> None:
    payment_id = ruled_out(world)

    def paused_meanwhile() -> object:
        with world.runtime.database.connection() as connection:
            lanes.pause(connection, "careful", "ann")
        return ABSENT

    world.careful.verdicts.append(paused_meanwhile)
    world.run("careful")
    assert (world.state(payment_id), len(world.careful.sent)) == ("unknown", 1)
    with world.runtime.database.connection() as connection:
        lanes.resume(connection, "careful")
    world.careful.verdicts.append(UNCLEAR)
    world.advance(900)
    world.run("careful")
    assert (len(world.careful.doubts), len(world.careful.sent)) == (2, 1)

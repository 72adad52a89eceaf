"""check: look before anything is sent again."""

import threading

import pytest

from shared import lanes
from shared.domain.answers import CheckResult, Verdict
from shared.payments import check as check_module
from shared.payments.check import check
from shared.payments.store import send as send_store
from shared.providers.base import LoginRefused, LoginUnavailable
from shared.runtime import boot_time_s
from tests.support.bank import until
from tests.support.flow import ABSENT, AGAIN, APPLIED, DOWN, LOOK, NO, UNCLEAR, UNDOCUMENTED_NO, World, together

WINDOW_S = 150


def unknown(world: World, *answers: object, **fields: object) -> int:
    payment_id = world.settled("careful", *(answers or (LOOK,)), **fields)
    assert world.state(payment_id) == "unknown"
    return payment_id


def lost(world: World) -> int:
    """A payment whose sender never recorded an end; its lease has run out."""
    payment_id = world.pay("careful")
    world.dispatched("careful")
    with world.runtime.database.connection() as connection:
        assert send_store.claim(
            connection, payment_id, world.runtime.worker_key, world.runtime.limits, seen=world.runtime.seen
        )
    world.advance(60.1)
    world.batches("careful")
    assert world.state(payment_id) == "unknown"
    return payment_id


def look(world: World, *verdicts: object) -> None:
    """Check whatever is due with these verdicts."""
    world.careful.verdicts.extend(verdicts)
    world.run("careful")


def test_applied_is_believed_at_once_and_the_evidence_is_kept(world: World) -> None:
    payment_id = unknown(world)
    look(world, APPLIED)
    payment = world.payment(payment_id)
    assert (payment["state"], payment["in_doubt"], payment["provider_reference"]) == ("succeeded", False, "P-9")
    (kept,) = world.rows("SELECT * FROM checks")
    assert (kept["verdict"], kept["detail"], kept["evidence"]) == ("applied", "it is there", {"paid": "100.00"})
    assert world.events(payment_id) == ["accepted", "unknown", "succeeded"]


def test_a_payment_can_be_found_applied_in_any_state_that_is_not_final(world: World) -> None:
    payment_id = unknown(world)

    def parked_meanwhile() -> object:
        world.execute("UPDATE payments SET state = 'parked', due_at = NULL")
        return APPLIED

    look(world, parked_meanwhile)
    assert world.state(payment_id) == "succeeded"


@pytest.mark.parametrize(("after_s", "sends"), [(WINDOW_S - 30, 1), (WINDOW_S + 1, 2)])
def test_not_applied_is_believed_only_a_settle_window_after_the_end_of_the_call(
    world: World, after_s: float, sends: int
) -> None:
    payment_id = unknown(world)
    world.advance(after_s)
    look(world, ABSENT)
    assert len(world.careful.bodies(payment_id)) == sends
    assert world.careful.doubts[-1].window_passed is (sends == 2)
    assert world.state(payment_id) == ("succeeded" if sends == 2 else "unknown")


@pytest.mark.parametrize(("after_s", "sends"), [(WINDOW_S - 30, 0), (WINDOW_S + 1, 1)])
def test_the_window_counts_from_the_lease_when_no_end_was_recorded(world: World, after_s: float, sends: int) -> None:
    lost(world)
    world.die()
    world.runtime = world.another()
    world.advance(after_s)
    look(world, ABSENT)
    assert len(world.careful.sent) == sends


def test_not_applied_is_not_believed_while_the_senders_sign_of_life_is_there(world: World) -> None:
    payment_id = lost(world)
    sender, world.runtime = world.runtime, world.another()
    world.advance(WINDOW_S + 100)
    look(world, ABSENT)
    assert world.careful.sent == []
    assert world.state(payment_id) == "unknown"
    world.runtime, mine = sender, world.runtime
    world.die()
    world.runtime = mine
    world.advance(200)
    look(world, ABSENT)
    assert len(world.careful.sent) == 1
    assert world.state(payment_id) == "succeeded"


def test_a_resend_needs_the_checkers_own_sign_of_life(world: World) -> None:
    payment_id = unknown(world)
    world.advance(WINDOW_S + 1)
    world.die()
    look(world, ABSENT)
    assert len(world.careful.sent) == 1
    assert world.state(payment_id) == "unknown"


def test_two_checks_at_once_resend_once(world: World) -> None:
    payment_id = unknown(world)
    world.advance(WINDOW_S + 1)
    world.dispatched("careful")
    both = threading.Barrier(2)

    def absent_for_both() -> object:
        both.wait(120)
        return ABSENT

    world.careful.verdicts.extend([absent_for_both] * 2)
    other = world.another()

    def second() -> None:  # the first one's lease ran out, so the dispatcher had it checked again
        until(lambda: world.payment(payment_id)["checks"], 1)
        world.execute("UPDATE payments SET check_due = true WHERE id = %s", payment_id)
        check(other, payment_id)

    together(lambda: check(world.runtime, payment_id), second)
    assert len(world.careful.bodies(payment_id)) == 2
    assert world.payment(payment_id)["attempts"] == 2
    assert world.state(payment_id) == "succeeded"


def test_a_check_whose_message_comes_again_is_made_once(world: World) -> None:
    payment_id = unknown(world)
    world.dispatched("careful")
    world.careful.verdicts.extend([UNCLEAR, UNCLEAR])
    check(world.runtime, payment_id)
    check(world.runtime, payment_id)
    assert world.payment(payment_id)["checks"] == 1
    assert world.payment(payment_id)["rung"] == 1


def test_the_resend_is_claimed_by_the_statement_that_records_the_verdict(world: World) -> None:
    payment_id = unknown(world)
    world.advance(WINDOW_S + 1)
    world.careful.answers.append(ZeroDivisionError())
    look(world, ABSENT)
    began = "SELECT started_at FROM attempts WHERE payment_id = %s AND number = 2"
    assert world.value("SELECT checked_at FROM checks") == world.value(began, payment_id)  # one statement's time


def test_not_applied_after_an_undocumented_no_is_refused_with_its_reason(world: World) -> None:
    payment_id = unknown(world, UNDOCUMENTED_NO)
    world.advance(WINDOW_S + 1)
    look(world, ABSENT)
    assert (world.state(payment_id), world.payment(payment_id)["detail"]) == ("refused", "an odd no")
    assert len(world.careful.sent) == 1


def test_not_applied_after_a_refusal_that_followed_an_ambiguous_attempt_is_refused(world: World) -> None:
    payment_id = world.settled("safe", AGAIN, NO)
    world.advance(10)
    world.run()
    world.advance(WINDOW_S + 1)
    world.safe.verdicts.append(ABSENT)
    world.run()
    assert (world.state(payment_id), world.payment(payment_id)["detail"]) == ("refused", "unknown customer")
    assert len(world.safe.sent) == 2


def test_a_resend_that_is_refused_is_final(world: World) -> None:
    payment_id = unknown(world)
    world.careful.answers.append(NO)
    world.advance(WINDOW_S + 1)
    look(world, ABSENT)
    assert world.state(payment_id) == "refused"


def test_an_ambiguous_resend_is_unknown_again_and_starts_on_the_first_rung(world: World) -> None:
    payment_id = unknown(world)
    look(world, UNCLEAR)
    world.careful.answers.append(LOOK)
    world.advance(WINDOW_S + 100)
    look(world, ABSENT)
    assert world.payment(payment_id)["rung"] == 0
    assert world.payment(payment_id)["due_in"].total_seconds() <= 0


def test_inconclusive_climbs_the_ladder_into_parked(world: World) -> None:
    payment_id = unknown(world)
    waits = []
    for _ in range(4):
        look(world, UNCLEAR)
        waits.append(round(world.payment(payment_id)["due_in"].total_seconds(), -1))
        world.advance(waits[-1] - 30)
        assert world.run("careful") == []
        world.advance(31)
    assert waits == [160, 600, 3600, 21600]
    look(world, UNCLEAR)
    assert world.state(payment_id) == "parked"
    assert world.events(payment_id) == ["accepted", "unknown", "parked"]
    assert [row["number"] for row in world.rows("SELECT number FROM checks ORDER BY number")] == [1, 2, 3, 4, 5]


def test_what_only_a_person_can_settle_is_parked_at_once(world: World) -> None:
    payment_id = unknown(world)
    look(world, CheckResult(Verdict.INCONCLUSIVE, "its marker stands 2 times", {"own": 2}, for_person=True))
    assert (world.state(payment_id), world.payment(payment_id)["detail"]) == ("parked", "its marker stands 2 times")
    assert world.events(payment_id) == ["accepted", "unknown", "parked"]
    assert len(world.careful.doubts) == 1
    world.advance(100_000)
    assert world.run("careful") == []


def test_a_check_knows_when_the_first_attempt_began_and_not_a_later_one(world: World) -> None:
    payment_id = unknown(world)
    look(world, UNCLEAR)
    world.careful.answers.append(LOOK)
    world.advance(WINDOW_S + 100)
    look(world, ABSENT, UNCLEAR)
    look(world)
    first, second = (world.attempt(payment_id, number)["started_at"] for number in (1, 2))
    assert second > first
    assert [doubt.first_sent_at for doubt in world.careful.doubts] == [first] * 3


@pytest.mark.parametrize("fault", [DOWN, LoginUnavailable("no token"), LoginRefused("refused")])
def test_a_check_that_could_not_be_made_does_not_climb_and_backs_off(world: World, fault: object) -> None:
    payment_id = unknown(world)
    retry = world.runtime.settings.retry
    for number in range(1, 9):
        if isinstance(fault, Exception):
            world.careful.auths.append(fault)
        world.execute("UPDATE lanes SET halted_at = NULL")
        look(world, *([fault] if fault is DOWN else []))
        payment = world.payment(payment_id)
        assert (payment["state"], payment["rung"]) == ("unknown", 0)
        assert payment["due_in"].total_seconds() <= min(retry.cap_s, retry.base_s * 2**number)
        world.advance(retry.cap_s)


def test_a_login_that_is_refused_during_a_check_halts_the_lane(world: World) -> None:
    unknown(world)
    world.careful.auths.append(LoginRefused("the credentials are refused"))
    look(world)
    assert world.lane("careful")["halted_reason"] == "the credentials are refused"


def test_a_key_that_is_refused_by_the_read_of_a_check_halts_the_lane(world: World) -> None:
    payment_id = unknown(world)
    world.advance(WINDOW_S + 1)
    look(world, LoginRefused("the key is refused"))
    assert world.lane("careful")["halted_reason"] == "the key is refused"
    assert (world.state(payment_id), world.payment(payment_id)["rung"]) == ("unknown", 0)


def test_an_adapter_that_fails_in_a_check_proves_nothing(world: World) -> None:
    payment_id = unknown(world)
    world.advance(WINDOW_S + 1)
    look(world, ZeroDivisionError())
    assert (world.state(payment_id), world.payment(payment_id)["rung"]) == ("unknown", 1)


def test_evidence_older_than_ten_seconds_is_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    payment_id = unknown(world)
    world.advance(WINDOW_S + 1)
    late = [0.0]
    monkeypatch.setattr(check_module, "boot_time_s", lambda: boot_time_s() + late[0])

    def slowly() -> object:
        late[0] += 11
        return ABSENT

    look(world, slowly, APPLIED)
    assert len(world.careful.doubts) == 2
    assert world.state(payment_id) == "succeeded"
    assert len(world.careful.sent) == 1


def test_books_that_always_take_too_long_prove_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    payment_id = unknown(world)
    world.advance(WINDOW_S + 1)
    times = iter(range(0, 1000, 11))
    monkeypatch.setattr(check_module, "boot_time_s", lambda: float(next(times)))
    look(world, ABSENT, ABSENT, ABSENT)
    assert (world.state(payment_id), world.payment(payment_id)["rung"]) == ("unknown", 0)
    assert len(world.careful.sent) == 1


@pytest.mark.parametrize("verdict", [ABSENT, UNCLEAR, DOWN])
def test_past_its_deadline_an_unknown_payment_is_parked_and_not_sent_again(world: World, verdict: object) -> None:
    payment_id = unknown(world)
    world.advance(259_201)
    look(world, verdict)
    assert world.state(payment_id) == "parked"
    assert len(world.careful.sent) == 1


def test_a_resend_that_a_person_asked_for_looks_first_and_sends_once_even_past_the_deadline(world: World) -> None:
    payment_id = unknown(world)
    world.advance(259_201)
    world.execute("UPDATE payments SET resend_asked = true")
    world.careful.answers.append(LOOK)
    look(world, ABSENT)
    assert len(world.careful.sent) == 2
    look(world, UNCLEAR)
    assert len(world.careful.sent) == 2
    assert world.state(payment_id) == "parked"


@pytest.mark.parametrize("verdict", [UNCLEAR, DOWN])
def test_a_resend_that_a_person_asked_for_is_not_made_on_less_than_not_applied(world: World, verdict: object) -> None:
    payment_id = unknown(world)
    world.advance(259_201)
    world.execute("UPDATE payments SET resend_asked = true")
    look(world, verdict)
    payment = world.payment(payment_id)
    assert (payment["state"], payment["resend_asked"], len(world.careful.sent)) == ("parked", False, 1)


def test_a_resend_that_a_person_asked_for_is_not_made_when_it_is_found_applied(world: World) -> None:
    payment_id = unknown(world)
    world.execute("UPDATE payments SET resend_asked = true")
    look(world, APPLIED)
    assert (world.state(payment_id), len(world.careful.sent)) == ("succeeded", 1)


def test_a_verdict_older_than_a_newer_check_changes_nothing(world: World) -> None:
    payment_id = unknown(world)

    def checked_meanwhile() -> object:
        check(world.another(), payment_id)  # unclear: it climbs
        return UNCLEAR

    look(world, checked_meanwhile)
    assert world.payment(payment_id)["rung"] == 1


def test_nothing_is_checked_in_a_lane_that_stands_still(world: World) -> None:
    payment_id = unknown(world)
    world.dispatched("careful")
    with world.runtime.database.connection() as connection:
        lanes.pause(connection, "careful", "ann")
    check(world.runtime, payment_id)
    assert world.careful.doubts == []
    assert world.payment(payment_id)["checks"] == 0


BUSY = CheckResult(Verdict.INCONCLUSIVE, "the books could not be read: HTTP 429", unread=True, retry_after_s=2000.0)
UNREAD = CheckResult(Verdict.INCONCLUSIVE, "the books could not be read: HTTP 500", unread=True)


@pytest.mark.parametrize("verdict", [BUSY, UNREAD])
def test_books_that_could_not_be_read_never_climb_and_are_asked_again_when_the_provider_wants(
    world: World, verdict: CheckResult
) -> None:
    payment_id = unknown(world)
    retry = world.runtime.settings.retry
    for _ in range(12):
        look(world, verdict)
        payment = world.payment(payment_id)
        assert (payment["state"], payment["rung"]) == ("unknown", 0)
        wait_s = payment["due_in"].total_seconds()
        assert wait_s <= (2000 if verdict is BUSY else retry.cap_s)
        if verdict is BUSY:
            assert wait_s > 1999
        world.advance(2001)
    look(world, APPLIED)
    assert world.state(payment_id) == "succeeded"


def test_books_that_are_never_read_are_a_persons_at_the_deadline_and_not_before(world: World) -> None:
    payment_id = unknown(world)
    for _ in range(31):
        look(world, BUSY)
        world.advance(8000)
        assert world.state(payment_id) == "unknown"
    world.advance(12_000)
    look(world, BUSY)
    assert world.state(payment_id) == "parked"
    assert world.payment(payment_id)["detail"] == "the books could not be read: HTTP 429"
    assert len(world.careful.sent) == 1


def test_a_resend_that_a_person_asked_for_waits_for_books_no_longer_than_a_deadline(world: World) -> None:
    payment_id = unknown(world)
    world.advance(259_201)
    world.execute("UPDATE payments SET resend_asked = true, deadline = NULL")
    look(world, UNREAD)
    assert world.state(payment_id) == "unknown"
    world.advance(259_201)
    look(world, UNREAD)
    assert (world.state(payment_id), len(world.careful.sent)) == ("parked", 1)


def test_books_that_can_be_read_again_go_on_where_the_ladder_stood(world: World) -> None:
    payment_id = unknown(world)
    look(world, UNCLEAR)
    world.advance(161)
    look(world, BUSY)
    world.advance(2001)
    look(world, UNCLEAR)
    assert world.payment(payment_id)["rung"] == 2

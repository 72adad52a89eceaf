"""What a person decides: looked at first, covered by what was shown, looked at again just before anything is sent."""

from dataclasses import replace
from typing import Any

import pytest

from shared import lanes
from shared.domain.answers import CheckResult, Verdict
from shared.payments import check as check_module
from shared.payments.look import Unresolvable, look
from shared.payments.resolve import NotDecided, resolve
from shared.payments.store import send as send_store
from shared.providers.base import LoginRefused, LoginUnavailable
from tests.support.decided import decide, kept
from tests.support.flow import ABSENT, APPLIED, DOWN, LOOK, NO, OK, UNCLEAR, World, together

LINE = {"number": "P-7", "amount": "100.00 MNT", "date": "2026-11-21", "reference": None}
OTHER = LINE | {"number": "P-8"}
WINDOW = "the settle window is not over"
UNEXPLAINED = CheckResult(
    Verdict.INCONCLUSIVE, "not listed, but a line is not explained", {"lines": 1}, doubts=("a line",), shown=(LINE,)
)
TWO = replace(UNEXPLAINED, shown=(OTHER, LINE))
GONE = replace(UNEXPLAINED, shown=())
OWN = CheckResult(Verdict.INCONCLUSIVE, "its marker stands on a line that is no payment", own=True, shown=(LINE,))
TWICE = replace(OWN, detail="its marker stands 2 times", for_person=True)


def parked(world: World, *answers: object, provider: str = "careful", after_s: float = 1000) -> int:
    """A payment that may have been applied and that nobody but a person can settle."""
    payment_id = world.settled(provider, *(answers or (LOOK,)))
    assert world.state(payment_id) == "unknown"
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL WHERE id = %s", payment_id)
    world.advance(after_s)
    return payment_id


def refused_look(world: World, payment_id: int, found: CheckResult = UNEXPLAINED, *, answer: str = "resend") -> None:
    with pytest.raises(NotDecided, match="--although"):
        decide(world, payment_id, answer, found)


def worker(world: World, *found: Any, provider: str = "careful") -> None:
    """The worker's next look."""
    world.providers[provider].verdicts.extend(found)
    world.run(provider)


def sent(world: World) -> int:
    return len(world.careful.sent)


def told(world: World, payment_id: int) -> tuple[str, int]:
    return world.state(payment_id), sent(world)


def test_a_line_that_may_be_the_payment_is_not_paid_again(world: World) -> None:
    payment_id = parked(world)
    before = world.payment(payment_id)
    with pytest.raises(NotDecided, match="not explained; to do so nevertheless"):
        decide(world, payment_id, "resend", UNEXPLAINED)
    after = world.payment(payment_id)
    assert {key for key in before if before[key] != after[key]} <= {"checks", "due_in"}
    (row,) = kept(world, payment_id)
    assert (row["action"], row["look"]["asked"], row["although"]) == ("look", "resend", None)  # type: ignore[index]
    assert row["look"]["lines"] == [{key: value for key, value in LINE.items() if value}]  # type: ignore[index]
    (check,) = world.rows("SELECT verdict, evidence FROM checks")
    assert check == {"verdict": "inconclusive", "evidence": {"lines": 1, "shown": [LINE]}}
    worker(world, ABSENT)
    assert told(world, payment_id) == ("parked", 1)


def test_although_covers_what_was_shown_and_the_payment_is_sent_once(world: World) -> None:
    payment_id = parked(world)
    refused_look(world, payment_id)
    assert decide(world, payment_id, "resend", UNEXPLAINED, although="P-7 is a cash desk's") == "unknown"
    row = kept(world, payment_id)[-1]
    assert (row["action"], row["although"]) == ("resend", "P-7 is a cash desk's")
    assert sent(world) == 1
    worker(world, UNEXPLAINED)
    assert told(world, payment_id) == ("succeeded", 2)


def test_an_ambiguous_answer_to_the_resend_needs_a_person_with_new_eyes(world: World) -> None:
    payment_id = parked(world)
    refused_look(world, payment_id)
    decide(world, payment_id, "resend", UNEXPLAINED, although="a cash desk's")
    world.careful.answers.append(LOOK)
    worker(world, UNEXPLAINED)
    assert told(world, payment_id) == ("unknown", 2)
    worker(world, UNEXPLAINED)
    assert sent(world) == 2, "what was decided once is used once"
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL")
    world.advance(1000)
    with pytest.raises(NotDecided, match="was shown before"):
        decide(world, payment_id, "resend", UNEXPLAINED, although="a cash desk's")


def test_although_without_an_earlier_look_shows_first(world: World) -> None:
    payment_id = parked(world)
    with pytest.raises(NotDecided, match="covers what Ann was shown before"):
        decide(world, payment_id, "resend", UNEXPLAINED, although="I know all of it")
    assert world.state(payment_id) == "parked"
    assert decide(world, payment_id, "resend", UNEXPLAINED, although="it is a cash desk's") == "unknown"


def test_what_one_person_was_shown_another_one_was_not(world: World) -> None:
    payment_id = parked(world)
    refused_look(world, payment_id)
    with pytest.raises(NotDecided, match="covers what Bob was shown"):
        decide(world, payment_id, "resend", UNEXPLAINED, although="Ann told me", by="Bob")


@pytest.mark.parametrize(
    "now",
    [
        TWO,
        GONE,
        replace(UNEXPLAINED, shown=(OTHER,)),
        replace(UNEXPLAINED, shown=(LINE, LINE)),
        replace(UNEXPLAINED, shown=(LINE | {"amount": "100.01 MNT"},)),
        replace(UNEXPLAINED, doubts=("a line", "the list lacks 1 of our earlier successes")),
    ],
)
def test_what_is_new_or_different_between_the_refusal_and_although_is_shown_first(
    world: World, now: CheckResult
) -> None:
    payment_id = parked(world)
    refused_look(world, payment_id)
    with pytest.raises(NotDecided, match="this was not"):
        decide(world, payment_id, "resend", now, although="a cash desk's")
    assert told(world, payment_id) == ("parked", 1)
    assert decide(world, payment_id, "resend", now, although="both are a cash desk's") == "unknown"
    worker(world, now)
    assert told(world, payment_id) == ("succeeded", 2)


@pytest.mark.parametrize(
    "now",
    [
        TWO,
        GONE,
        ABSENT,  # the line that was shown is not there any more: one of the two looks was wrong
        OWN,
        TWICE,
        UNCLEAR,
        replace(UNEXPLAINED, shown=(LINE, LINE)),
        replace(UNEXPLAINED, doubts=("a line", "the list is not whole")),
    ],
)
def test_what_is_new_or_different_at_the_workers_look_parks_it_again(world: World, now: CheckResult) -> None:
    payment_id = parked(world)
    refused_look(world, payment_id)
    decide(world, payment_id, "resend", UNEXPLAINED, although="a cash desk's")
    worker(world, now)
    assert told(world, payment_id) == ("parked", 1)
    payment = world.payment(payment_id)
    assert now.detail in payment["detail"]
    assert payment["resend_asked"] is False
    worker(world, UNEXPLAINED)
    assert told(world, payment_id) == ("parked", 1)


def test_a_doubt_that_has_ended_by_itself_does_not_park_it_again(world: World) -> None:
    payment_id = parked(world)
    more = replace(UNEXPLAINED, doubts=("a line", WINDOW))
    refused_look(world, payment_id, more)
    decide(world, payment_id, "resend", more, although="a cash desk's")
    worker(world, UNEXPLAINED)
    assert told(world, payment_id) == ("succeeded", 2)


def test_applied_at_the_look_succeeds_at_once(world: World) -> None:
    for answer in ("resend", "succeeded"):
        payment_id = parked(world)
        assert decide(world, payment_id, answer, APPLIED) == "succeeded"
        payment = world.payment(payment_id)
        assert (payment["provider_reference"], payment["in_doubt"]) == ("P-9", False)
        assert kept(world, payment_id)[-1]["action"] == answer
        assert world.events(payment_id)[-1] == "succeeded"
    assert sent(world) == 2


def test_applied_at_the_workers_look_succeeds(world: World) -> None:
    payment_id = parked(world)
    refused_look(world, payment_id)
    decide(world, payment_id, "resend", UNEXPLAINED, although="a cash desk's")
    worker(world, APPLIED)
    assert told(world, payment_id) == ("succeeded", 1)


def test_not_applied_is_sent_once_after_the_workers_own_look(world: World) -> None:
    payment_id = parked(world)
    assert decide(world, payment_id, "resend", ABSENT) == "unknown"
    assert sent(world) == 1
    worker(world, ABSENT)
    assert told(world, payment_id) == ("succeeded", 2)


@pytest.mark.parametrize("now", [UNEXPLAINED, UNCLEAR, OWN, TWICE])
def test_what_the_books_show_only_at_the_workers_look_is_not_paid_again(world: World, now: CheckResult) -> None:
    payment_id = parked(world)
    decide(world, payment_id, "resend", ABSENT)
    worker(world, now)
    assert told(world, payment_id) == ("parked", 1)
    assert now.detail in world.payment(payment_id)["detail"]


@pytest.mark.parametrize("own", [OWN, TWICE, replace(TWICE, own=False)])
def test_nobodys_word_sends_again_what_stands_there_with_our_own_reference(world: World, own: CheckResult) -> None:
    payment_id = parked(world)
    for although in (None, "I know", "I do know"):
        with pytest.raises(NotDecided, match="never sent again, whatever is said"):
            decide(world, payment_id, "resend", own, although=although)
    assert told(world, payment_id) == ("parked", 1)


def test_after_a_refusal_a_resend_that_does_not_go_out_is_not_taken_for_refused(world: World) -> None:
    payment_id = parked(world, LOOK)
    world.execute("UPDATE attempts SET refusal = true, detail = 'no'")
    refused_look(world, payment_id)
    decide(world, payment_id, "resend", UNEXPLAINED, although="a cash desk's")
    worker(world, ABSENT)
    assert told(world, payment_id) == ("parked", 1)


def test_what_the_worker_read_more_than_ten_seconds_ago_is_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment_id = parked(world)
    refused_look(world, payment_id)
    decide(world, payment_id, "resend", UNEXPLAINED, although="a cash desk's")
    times = iter([0, 11, 20, 21])  # the first look takes 11 s
    monkeypatch.setattr(check_module, "boot_time_s", lambda: float(next(times)))
    worker(world, UNEXPLAINED, TWO)
    assert told(world, payment_id) == ("parked", 1)


def test_no_transaction_is_open_while_the_provider_is_asked(world: World) -> None:
    payment_id = parked(world)
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE %s"
    seen = []

    def asked() -> CheckResult:
        seen.append(world.value(sessions, "idle in transaction%"))
        return ABSENT

    decide(world, payment_id, "resend", asked)
    worker(world, asked)
    assert seen == [0, 0]
    assert told(world, payment_id) == ("succeeded", 2)


# Where nobody could look.
UNREAD = replace(DOWN, unread=True)


@pytest.mark.parametrize("nobody", [UNREAD, RuntimeError("a mistake"), LoginRefused("no"), LoginUnavailable("no")])
def test_a_resend_where_nobody_could_look_is_sent_only_when_a_worker_could(world: World, nobody: Any) -> None:
    payment_id = parked(world)
    assert decide(world, payment_id, "resend", nobody) == "unknown"
    for wait_s in (0, 1000, 1000):
        world.advance(wait_s)
        worker(world, UNREAD)
        assert told(world, payment_id) == ("unknown", 1)
    world.advance(1000)
    worker(world, ABSENT)
    assert told(world, payment_id) == ("succeeded", 2)
    assert world.lane("careful")["halted_at"] is None, "a person's credentials may be others than the fleet's"


@pytest.mark.parametrize("now", [UNEXPLAINED, UNCLEAR, TWICE])
def test_a_resend_where_nobody_could_look_parks_again_on_anything_that_is_shown(world: World, now: CheckResult) -> None:
    payment_id = parked(world)
    decide(world, payment_id, "resend", UNREAD, although="it is surely not there")
    worker(world, now)
    assert told(world, payment_id) == ("parked", 1)


@pytest.mark.parametrize("unread", [UNREAD, replace(UNREAD, provider_down=False)])
def test_waiting_for_books_that_nobody_can_read_ends(world: World, unread: CheckResult) -> None:
    payment_id = parked(world)
    decide(world, payment_id, "resend", unread)
    for _ in range(400):
        if world.state(payment_id) == "parked":
            break
        world.advance(1000)
        worker(world, unread)
        world.careful.verdicts.clear()
    assert told(world, payment_id) == ("parked", 1)


def test_a_resend_at_a_provider_that_is_off_is_not_begun(world: World) -> None:
    payment_id = parked(world)
    runtime = replace(world.runtime, connected={})
    source, intent_id = "shop", world.payment(payment_id)["intent_id"]
    with pytest.raises(Unresolvable, match="careful is off here; set SETTLEPIPE_CAREFUL__BASE_URL"):
        resolve(runtime, look(runtime, source, intent_id), "resend", reason="r", by="Ann")
    with pytest.raises(NotDecided, match="nobody could look: careful is off"):
        resolve(runtime, look(runtime, source, intent_id), "refused", reason="r", by="Ann")
    found = look(runtime, source, intent_id)
    assert resolve(runtime, found, "refused", reason="r", by="Ann", although="their letter") == "refused"


# What may still be on its way.
def test_while_the_settle_window_is_open_nothing_is_sent(world: World) -> None:
    payment_id = parked(world, after_s=10)
    refused_look(world, payment_id, ABSENT)
    assert decide(world, payment_id, "resend", ABSENT, although="they said so") == "unknown"
    worker(world, ABSENT)
    assert told(world, payment_id) == ("unknown", 1)
    world.advance(170)
    worker(world, ABSENT)
    assert told(world, payment_id) == ("succeeded", 2)


def test_while_the_settle_window_is_open_what_was_shown_is_not_sent_either(world: World) -> None:
    payment_id = parked(world, after_s=10)
    refused_look(world, payment_id)
    decide(world, payment_id, "resend", UNEXPLAINED, although="a cash desk's")
    worker(world, UNEXPLAINED)
    assert told(world, payment_id) == ("unknown", 1)
    world.advance(170)
    worker(world, TWO)  # it was on its way
    assert told(world, payment_id) == ("parked", 1)


def test_while_its_sender_lives_nothing_is_sent_and_the_waiting_ends(world: World) -> None:
    payment_id = world.pay("careful")
    world.dispatched("careful")
    with world.runtime.database.connection() as connection:
        assert send_store.claim(
            connection, payment_id, world.runtime.worker_key, world.runtime.limits, seen=world.runtime.seen
        )
    world.advance(60.1)
    world.batches("careful")
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL, check_due = false")
    world.advance(1000)
    refused_look(world, payment_id)
    decide(world, payment_id, "resend", UNEXPLAINED, although="a cash desk's")
    for _ in range(10):
        worker(world, UNEXPLAINED)
        world.careful.verdicts.clear()
        world.advance(30_000)
    assert told(world, payment_id) == ("parked", 0)


def test_a_resend_waits_until_its_sender_has_ended(world: World) -> None:
    payment_id = world.pay("careful")
    world.dispatched("careful")
    other = world.another()
    with other.database.connection() as connection:
        assert send_store.claim(connection, payment_id, other.worker_key, other.limits, seen=other.seen)
    world.advance(60.1)
    world.batches("careful")
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL, check_due = false")
    world.advance(1000)
    refused_look(world, payment_id, ABSENT)
    decide(world, payment_id, "resend", ABSENT, although="they restarted it")
    worker(world, ABSENT)
    assert told(world, payment_id) == ("unknown", 0)
    life: Any = other.life
    life.end()
    while world.value("SELECT worker_alive(%s)", life.key):
        pass
    world.advance(200)
    worker(world, ABSENT)
    assert told(world, payment_id) == ("succeeded", 1)


# refused, succeeded.
def test_what_the_books_show_as_applied_is_not_refused(world: World) -> None:
    payment_id = parked(world)
    with pytest.raises(NotDecided, match="is succeeded, not refused") as raised:
        decide(world, payment_id, "refused", APPLIED)
    assert raised.value.state == world.state(payment_id) == "succeeded"
    (row,) = kept(world, payment_id)
    assert (row["action"], row["look"]["asked"]) == ("look", "refused")  # type: ignore[index]


@pytest.mark.parametrize("found", [UNEXPLAINED, UNCLEAR, OWN, TWICE])
def test_what_the_books_may_show_is_refused_only_although_it_was_shown(world: World, found: CheckResult) -> None:
    payment_id = parked(world)
    refused_look(world, payment_id, found, answer="refused")
    assert world.state(payment_id) == "parked"
    with pytest.raises(NotDecided, match="this was not"):
        decide(world, payment_id, "refused", replace(found, shown=(LINE, OTHER)), although="their letter")
    with pytest.raises(NotDecided, match="this was not"):
        decide(world, payment_id, "refused", found, although="their letter")
    assert decide(world, payment_id, "refused", found, although="their letter") == "refused"
    assert [row["action"] for row in kept(world, payment_id)] == ["look", "look", "look", "refused"]
    assert kept(world, payment_id)[-1]["although"] == "their letter"


@pytest.mark.parametrize("nobody", [UNREAD, RuntimeError("a mistake"), LoginRefused("no"), LoginUnavailable("no")])
def test_where_nobody_could_look_it_is_refused_only_with_although(world: World, nobody: Any) -> None:
    payment_id = parked(world)
    with pytest.raises(NotDecided, match="nobody could look"):
        decide(world, payment_id, "refused", nobody)
    assert decide(world, payment_id, "refused", nobody, although="their letter") == "refused"
    assert world.lane("careful")["halted_at"] is None


def test_not_applied_is_refused(world: World) -> None:
    payment_id = parked(world)
    assert decide(world, payment_id, "refused", ABSENT) == "refused"


def test_before_the_settle_window_is_over_not_applied_is_not_believed(world: World) -> None:
    payment_id = parked(world, after_s=10)
    with pytest.raises(NotDecided, match="the settle window is not over"):
        decide(world, payment_id, "refused", ABSENT)


def test_what_is_not_applied_is_taken_for_succeeded_only_with_although(world: World) -> None:
    payment_id = parked(world)
    refused_look(world, payment_id, ABSENT, answer="succeeded")
    assert world.state(payment_id) == "parked"
    assert decide(world, payment_id, "succeeded", ABSENT, although="paid at their desk") == "succeeded"


@pytest.mark.parametrize("found", [UNEXPLAINED, UNCLEAR, TWICE, UNREAD])
def test_a_person_may_say_that_it_succeeded_where_the_books_do_not_say_otherwise(
    world: World, found: CheckResult
) -> None:
    payment_id = parked(world)
    assert decide(world, payment_id, "succeeded", found) == "succeeded"
    (row,) = kept(world, payment_id)
    assert row["look"]["detail"] == found.detail  # type: ignore[index]


def test_the_line_that_a_person_means_is_kept_with_the_payment(world: World) -> None:
    payment_id = parked(world)
    assert decide(world, payment_id, "succeeded", TWO, line="P-8") == "succeeded"
    assert world.payment(payment_id)["provider_reference"] == "P-8"
    assert kept(world, payment_id)[-1]["line"] == "P-8"


def test_a_line_that_is_not_shown_needs_although(world: World) -> None:
    payment_id = parked(world)
    with pytest.raises(NotDecided, match="no line is P-9"):
        decide(world, payment_id, "succeeded", UNEXPLAINED, line="P-9")
    although = "its number in their other list"
    assert decide(world, payment_id, "succeeded", UNEXPLAINED, line="P-9", although=although) == "succeeded"
    with pytest.raises(ValueError, match="must go with succeeded"):
        decide(world, parked(world), "refused", ABSENT, line="P-9")


# What happens between the look and the decision.
def test_a_payment_that_moves_on_during_the_look_is_left_alone(world: World) -> None:
    for to in ("succeeded", "refused", "unknown"):
        payment_id = parked(world)
        found = look(world.runtime, "shop", world.payment(payment_id)["intent_id"])
        due = "clock() + interval '1 day'" if to == "unknown" else "NULL"
        world.execute(f"UPDATE payments SET state = %s, due_at = {due} WHERE id = %s", to, payment_id)
        with pytest.raises(Unresolvable, match=f"is {to}; only a parked payment"):
            resolve(world.runtime, found, "refused", reason="r", by="Ann", although="their letter")
        assert world.state(payment_id) == to
        assert kept(world, payment_id) == []


def test_late_evidence_of_a_look_against_a_refused_payment_is_told(world: World) -> None:
    payment_id = parked(world)
    world.careful.verdicts.append(APPLIED)
    found = look(world.runtime, "shop", world.payment(payment_id)["intent_id"])
    decide(world, payment_id, "refused", ABSENT, by="Bob")
    with pytest.raises(Unresolvable, match="is refused; only a parked payment"):
        resolve(world.runtime, found, "resend", reason="r", by="Ann")
    assert world.value("SELECT category FROM discrepancies") == "paid_there_failed_here"
    assert world.events(payment_id)[-1] == "disputed"


def test_evidence_of_a_look_is_believed_though_another_person_had_it_sent_again(world: World) -> None:
    payment_id = parked(world)
    world.careful.verdicts.append(APPLIED)
    found = look(world.runtime, "shop", world.payment(payment_id)["intent_id"])
    decide(world, payment_id, "resend", ABSENT, by="Bob")
    assert resolve(world.runtime, found, "resend", reason="r", by="Ann") == "succeeded"
    worker(world, ABSENT)
    assert told(world, payment_id) == ("succeeded", 1)


def test_of_two_people_who_decide_at_once_one_does(world: World) -> None:
    payment_id = parked(world)
    intent_id = world.payment(payment_id)["intent_id"]
    world.careful.verdicts.extend([ABSENT, ABSENT])
    looks = [look(world.runtime, "shop", intent_id), look(world.runtime, "shop", intent_id)]

    def decided(answer: str, place: int) -> str:
        try:
            return str(resolve(world.runtime, looks[place], answer, reason="r", by=f"person {place}"))
        except Unresolvable as error:
            return str(error)

    first, second = together(lambda: decided("resend", 0), lambda: decided("refused", 1))
    refused = [said for said in (first, second) if "only a parked payment" in said]
    assert len(refused) == 1
    assert len(kept(world, payment_id)) == 1


def test_a_look_of_somebody_else_in_between_is_looked_at_again(world: World) -> None:
    payment_id = parked(world)
    found = look(world.runtime, "shop", world.payment(payment_id)["intent_id"])
    refused_look(world, payment_id)
    with pytest.raises(Unresolvable, match="somebody else looked at"):
        resolve(world.runtime, found, "succeeded", reason="r", by="Bob")
    assert world.state(payment_id) == "parked"


def test_an_explicit_no_to_the_resend_is_checked_because_the_doubt_stays(world: World) -> None:
    payment_id = parked(world)
    refused_look(world, payment_id)
    decide(world, payment_id, "resend", UNEXPLAINED, although="a cash desk's")
    world.careful.answers.append(NO)
    worker(world, UNEXPLAINED)
    assert told(world, payment_id) == ("unknown", 2)


def test_a_lane_that_stands_still_keeps_the_decision(world: World) -> None:
    payment_id = parked(world)
    decide(world, payment_id, "resend", ABSENT)
    with world.runtime.database.connection() as connection:
        lanes.pause(connection, "careful", "ann")
    worker(world, ABSENT)
    assert told(world, payment_id) == ("unknown", 1)


def test_more_lines_than_a_person_reads_are_covered_by_no_word(world: World) -> None:
    payment_id = parked(world)
    many = replace(UNEXPLAINED, shown=tuple(LINE | {"number": str(number)} for number in range(101)))
    for although in (None, "all of them", "all of them"):
        with pytest.raises(NotDecided):
            decide(world, payment_id, "resend", many, although=although)
    assert told(world, payment_id) == ("parked", 1)


def test_a_resend_at_a_provider_that_promises_it_is_safe_has_the_same_look(world: World) -> None:
    payment_id = parked(world, LOOK, provider="safe")
    refused_look(world, payment_id)
    decide(world, payment_id, "resend", UNEXPLAINED, although="a cash desk's")
    world.safe.answers.append(OK)
    worker(world, UNEXPLAINED, provider="safe")
    assert (world.state(payment_id), len(world.safe.sent)) == ("succeeded", 2)

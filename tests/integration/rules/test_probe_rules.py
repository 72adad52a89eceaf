"""A stopped lane: what probes it, what sets it going again, and how often people are told."""

import dataclasses

import pytest

from shared import lanes
from shared.domain.answers import Answer, Meaning
from shared.messaging import tasks
from shared.payments.check import check
from shared.payments.send import halt, send
from shared.providers.base import BooksUnread, LoginRefused
from shared.reconciliation.reads import Reads, Stopped
from tests.support.alerts import raised
from tests.support.bank import until
from tests.support.cut import way_of
from tests.support.flow import (
    ABSENT,
    APPLIED,
    DOWN,
    HALT,
    LOOK,
    NO,
    NOT_SENT,
    OK,
    SENT,
    TOO_MANY,
    UNCLEAR,
    World,
)

NO_CREDIT = Answer("no_credit", Meaning.NOT_SENT, http_status=200, detail="no credit left", refusal=True)
SMS = {"sms": "995500000001"}


def waiting(world: World, count: int, provider: str = "careful") -> list[int]:
    documents = [world.document(provider) for _ in range(count)]
    assert world.accept(*documents) == count
    return [world.id_of(document) for document in documents]


@pytest.mark.parametrize("verdict", [UNCLEAR, ABSENT])
def test_one_payment_a_minute_goes_into_a_403_however_well_the_books_can_be_read(world: World, verdict: object) -> None:
    waiting(world, 40)
    world.careful.answers.extend([HALT] * 200)
    world.careful.verdicts.extend([verdict] * 2000)
    world.dispatched("careful")
    send(world.runtime, 1)
    before = len(world.careful.sent)
    world.hold_clock()  # a slow machine takes its own time for 600 steps
    for second in range(600):
        world.advance(1)
        world.run("careful")
        assert len(world.careful.sent) - before <= second / 60 + 1
    assert 8 <= len(world.careful.sent) - before <= 10
    assert len(world.careful.doubts) > 8, "what is in doubt is looked at meanwhile"
    assert not world.lane("careful")["running"]
    world.careful.answers.clear()  # it is mended
    world.advance(61)
    for _ in range(40):
        world.run("careful")
    assert world.lane("careful")["running"]


def test_a_success_sets_a_lane_going_that_a_send_halted(world: World) -> None:
    (payment_id,) = waiting(world, 1)
    world.careful.answers.extend([HALT, OK])
    world.run("careful")
    world.careful.verdicts.append(ABSENT)
    world.advance(200)
    world.run("careful")
    assert (world.state(payment_id), world.lane("careful")["running"]) == ("succeeded", True)
    assert world.lane("careful")["halted_by_send"] is False


@pytest.mark.parametrize("answer", [TOO_MANY, NO, LOOK])
def test_nothing_else_that_a_probe_meets_sets_it_going(world: World, answer: Answer) -> None:
    waiting(world, 3, "safe")
    world.safe.answers.extend([HALT, answer])
    world.dispatched()
    send(world.runtime, 1)
    world.advance(61)
    assert len(world.dispatched()) == 1
    probe = world.lane("safe")["probe_payment_id"]
    send(world.runtime, probe)
    assert not world.lane("safe")["running"]


def test_a_check_sets_a_lane_going_that_a_refused_login_halted(world: World) -> None:
    world.settled("careful", LOOK)
    world.careful.auths.append(LoginRefused("the credentials are refused"))
    world.run("careful")
    assert not world.lane("careful")["running"]
    world.careful.verdicts.append(UNCLEAR)
    world.advance(61)
    world.run("careful")
    assert world.lane("careful")["running"]


def test_a_check_that_read_the_books_closes_the_breaker_and_leaves_the_halt(world: World) -> None:
    world.settled("careful", LOOK)
    world.execute(
        "UPDATE lanes SET halted_at = clock(), halted_by_send = true, probe_at = clock(), open_until = clock()"
        " WHERE provider = 'careful'"
    )
    world.careful.verdicts.append(UNCLEAR)
    world.run("careful")
    lane = world.lane("careful")
    assert (lane["open_until"], lane["halted_at"] is None) == (None, False)


def test_a_resend_after_a_probing_look_is_the_one_payment_that_goes_out(world: World) -> None:
    """Its own 403 counts from when it was sent, and what a check frees before it is no second one."""
    waiting(world, 3)
    world.careful.answers.extend([HALT] * 3)
    world.dispatched("careful")
    send(world.runtime, 1)
    world.advance(200)
    assert [task for task, _ in world.batches("careful")] in ([tasks.SEND], [tasks.CHECK])
    probe = world.lane("careful")["probe_payment_id"]
    if probe == 1:
        world.careful.verdicts.append(ABSENT)
        check(world.runtime, 1)
    else:
        send(world.runtime, probe)
    assert world.batches("careful") == []


def alerts(capsys: pytest.CaptureFixture[str], name: str = "lane_halted") -> int:
    return raised(capsys, name)


def test_a_halt_is_told_once_for_each_standing_still(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    ids = waiting(world, 20, "safe")
    world.safe.answers.extend([HALT] * 8)
    for payment_id in world.dispatched()[:1]:
        send(world.runtime, payment_id)
    for _ in range(5):
        world.advance(61)
        world.run()
    halt(world.runtime, "safe", "refused by the job as well")
    assert alerts(capsys) == 1
    with world.runtime.database.connection() as connection:
        lanes.resume(connection, "safe")
    world.run()
    assert alerts(capsys) == 0, "it has not run in between"
    world.safe.answers.clear()
    world.advance(61)
    world.run()
    assert world.lane("safe")["running"]
    world.safe.answers.append(HALT)
    world.advance(900)
    assert set(world.run()) <= set(ids)
    assert alerts(capsys) == 1


def test_all_that_meet_the_same_403_at_once_tell_it_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    waiting(world, 5, "safe")
    world.safe.answers.extend([HALT] * 5)
    world.execute("UPDATE payments SET state = state")
    for payment_id in world.dispatched():
        world.execute("UPDATE lanes SET probe_payment_id = %s", payment_id)  # they were all on the wire
        send(world.runtime, payment_id)
    assert len(world.safe.sent) == 5
    assert alerts(capsys) == 1


def test_a_refused_login_is_told_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.careful.auths.extend([LoginRefused("no")] * 4)
    waiting(world, 3)
    for _ in range(4):
        world.run("careful")
        world.advance(61)
    assert alerts(capsys) == 1


def test_a_halt_whose_record_was_committed_unseen_is_told_all_the_same(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with way_of(world) as way:
        way.cut("WITH judged", "after")
        world.settled("safe", HALT)
    assert alerts(capsys) == 1


def follow_ups(world: World) -> list[str]:
    return [row["state"] for row in world.rows("SELECT state FROM follow_ups ORDER BY id")]


@pytest.mark.parametrize("stop", ["open", "halted", "both"])
def test_a_stopped_lane_with_messages_alone_probes_with_one_of_them_and_runs(world: World, stop: str) -> None:
    for _ in range(3):
        world.settled("safe", OK, notify=SMS)
    if stop != "halted":
        world.execute("UPDATE lanes SET open_until = clock() + interval '30 s' WHERE provider = 'ubill'")
    if stop != "open":
        halt(world.runtime, "ubill", "the key was refused")
    assert world.batches("ubill") == []
    world.advance(61)
    assert len(world.run("ubill")) == 1
    assert world.lane("ubill")["running"]
    assert len(world.run("ubill")) == 2
    assert follow_ups(world) == ["issued"] * 3


@pytest.mark.parametrize("answer", [NOT_SENT, LOOK])
def test_a_lane_stays_open_when_its_probing_message_says_that_the_provider_is_down(
    world: World, answer: Answer
) -> None:
    for _ in range(3):
        world.settled("safe", OK, notify=SMS)
    world.execute("UPDATE lanes SET open_until = clock() WHERE provider = 'ubill'")
    world.ubill.messages.append(answer)
    assert len(world.run("ubill")) == 1
    assert 29 < world.lane("ubill")["open_for"].total_seconds() <= 30
    assert world.run("ubill") == []
    world.advance(31)
    world.run("ubill")
    assert world.lane("ubill")["running"]


def test_a_resumed_lane_tries_a_message_at_once(world: World) -> None:
    world.settled("safe", OK, notify=SMS)
    halt(world.runtime, "ubill", "the key was refused")
    with world.runtime.database.connection() as connection:
        lanes.resume(connection, "ubill")
    world.run("ubill")
    assert (world.lane("ubill")["running"], follow_ups(world)) == (True, ["issued"])


def test_messages_go_on_beside_a_halt_that_a_send_brought_and_dont_end_it(world: World) -> None:
    for _ in range(3):
        world.settled("safe", OK, notify=SMS)
    world.execute(
        "UPDATE lanes SET halted_at = clock(), halted_by_send = true, probe_at = clock() WHERE provider = 'ubill'"
    )
    for _ in range(3):
        assert len(world.run("ubill")) == 1
    assert not world.lane("ubill")["running"]
    assert follow_ups(world) == ["issued"] * 3


def test_a_paused_lane_lets_no_message_through(world: World) -> None:
    world.settled("safe", OK, notify=SMS)
    (follow_up_id,) = world.dispatched("ubill")
    world.execute("UPDATE lanes SET paused_at = clock(), probe_follow_up_id = %s", follow_up_id)
    world.advance(61)
    assert world.run("ubill") == []
    assert world.ubill.messages_sent == []


def test_a_probing_message_whose_process_died_is_followed_by_another_probe(world: World) -> None:
    for _ in range(2):
        world.settled("safe", OK, notify=SMS)
    halt(world.runtime, "ubill", "the key was refused")
    world.advance(61)
    assert len(world.dispatched("ubill")) == 1  # nobody gets this message
    assert world.dispatched("ubill") == []
    world.advance(61)
    assert len(world.run("ubill")) == 1
    assert world.lane("ubill")["running"]


def test_messages_without_credit_are_told_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(4):
        world.settled("safe", OK, notify=SMS)
    world.ubill.messages.extend([NO_CREDIT] * 12)
    for _ in range(3):
        world.run("ubill")
        world.advance(900)
    assert alerts(capsys, "follow_up_waits") == 1
    world.ubill.messages.clear()
    world.run("ubill")
    assert follow_ups(world) == ["issued"] * 4
    world.ubill.messages.append(NO_CREDIT)
    world.settled("safe", SENT, notify=SMS)
    world.run("ubill")
    assert alerts(capsys, "follow_up_waits") == 1


def test_a_nights_reads_set_a_lane_going_that_nobody_else_probes(world: World) -> None:
    halt(world.runtime, "safe", "the credentials are refused")
    with pytest.raises(Stopped):
        Reads(world.runtime, "safe").make(lambda: 1)
    world.advance(61)
    assert Reads(world.runtime, "safe").make(lambda: 2) == 2
    assert world.lane("safe")["running"]


@pytest.mark.parametrize("error", [LoginRefused("still refused"), BooksUnread("HTTP 500")])
def test_a_nights_read_that_is_not_let_in_leaves_the_lane_halted(
    world: World, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    halt(world.runtime, "safe", "the credentials are refused")
    world.advance(61)

    def fails() -> None:
        raise error

    with pytest.raises((Stopped, BooksUnread)):
        Reads(world.runtime, "safe").make(fails)
    assert not world.lane("safe")["running"]
    assert alerts(capsys) == 1


def test_a_nights_reads_go_on_beside_a_halt_that_a_send_brought_and_dont_end_it(world: World) -> None:
    world.settled("safe", HALT)
    world.execute("UPDATE payments SET due_at = clock() + interval '1 day'")
    world.advance(61)
    reads = Reads(world.runtime, "safe")
    assert [reads.make(lambda: 3) for _ in range(5)] == [3] * 5
    assert not world.lane("safe")["running"]


def test_a_paused_lane_is_not_read(world: World) -> None:
    with world.runtime.database.connection() as connection:
        lanes.pause(connection, "safe", "ann")
    world.advance(100_000)
    with pytest.raises(Stopped, match="paused by ann"):
        Reads(world.runtime, "safe").make(lambda: 1)


def test_a_late_success_of_another_payment_is_no_probe(world: World) -> None:
    """It went out before the funds were gone."""
    first, second = waiting(world, 2, "safe")
    world.dispatched()

    def meanwhile() -> Answer:
        send(world.runtime, second)
        return OK

    world.safe.answers.append(meanwhile)
    world.safe.answers.append(HALT)
    send(world.runtime, first)
    assert world.state(first) == "succeeded"
    assert not world.lane("safe")["running"]


def test_books_that_are_read_late_resume_nothing_that_stopped_after_them(world: World) -> None:
    (payment_id,) = waiting(world, 1)
    world.careful.answers.append(LOOK)
    world.run("careful")

    def halted_meanwhile() -> object:
        world.execute("UPDATE lanes SET halted_at = clock(), halted_by_send = true, probe_payment_id = %s", payment_id)
        return dataclasses.replace(DOWN, provider_down=False)

    world.careful.verdicts.append(halted_meanwhile)
    world.run("careful")
    assert not world.lane("careful")["running"]
    until(lambda: world.state(payment_id), "unknown")
    world.careful.verdicts.append(APPLIED)
    world.execute("UPDATE lanes SET probe_at = clock()")
    world.advance(200)
    world.run("careful")
    assert (world.state(payment_id), world.lane("careful")["running"]) == ("succeeded", False)

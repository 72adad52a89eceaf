"""Text messages: a follow-up through ubill's lane that never changes its payment, and what is told of its delivery."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.answers import Answer, Meaning
from shared.domain.codes import Code
from shared.domain.records import DeliveryReport
from shared.domain.request import Refusal
from shared.follow_ups import delivery
from shared.follow_ups.ask import follow_up
from shared.payments import views
from shared.payments.resolve import resolve_follow_up
from shared.providers.base import LookupFailed
from tests.support.flow import AGAIN, HALT, LOOK, NO, NOT_SENT, OK, REAUTH, SENT, World, running_world

NUMBER = "995500000001"
WANTED = {"sms": NUMBER}
NOT_NOW = Answer("no_credit", Meaning.NOT_SENT, http_status=200, detail="Not enough SMS", refusal=True)
NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
SENT_ON_ITS_WAY, RECEIVED, NOT_DELIVERED, AWAITED, ERROR = range(5)


def kept(world: World) -> dict[str, Any]:
    (row,) = world.rows("SELECT f.*, due_at - clock() AS due_in FROM follow_ups f WHERE kind = 'sms'")
    return row


def told(world: World) -> list[str]:
    rows = world.rows("SELECT type FROM events WHERE type LIKE 'settlepipe.sms.%%' ORDER BY id")
    return [row["type"].removeprefix("settlepipe.sms.") for row in rows]


def say(world: World, status: int, at: datetime = NOON, sms_id: str = "71", number: str = NUMBER) -> None:
    delivery.report(world.runtime.database, sms_id, number, status, at)


def report(world: World) -> tuple[int, datetime]:
    (row,) = world.rows("SELECT status, reported_at FROM sms_reports")
    return row["status"], row["reported_at"]


@pytest.mark.parametrize("provider", ["safe", "careful", "ubill"])
def test_a_message_of_any_providers_payment_goes_through_ubills_lane(world: World, provider: str) -> None:
    world.settled(provider, OK, notify=WANTED)
    assert (kept(world)["provider"], kept(world)["state"]) == ("ubill", "waiting")
    if provider != "ubill":
        assert world.run(provider) == []
    world.run("ubill")
    assert (kept(world)["state"], kept(world)["reference"]) == ("issued", "71")
    assert world.ubill.messages_sent == [f"{NUMBER} ord-1".encode()]
    assert told(world) == ["sent"]


@pytest.mark.parametrize("answer", [NO, AGAIN, LOOK, NOT_SENT])
def test_a_message_follows_success_only(world: World, answer: Answer) -> None:
    world.settled("safe", answer, notify=WANTED)
    assert world.rows("SELECT * FROM follow_ups") == []


def test_a_refund_sends_no_message(world: World) -> None:
    settle = world.document()
    world.accept(settle)
    world.run()
    refund = world.pay(refund_of=settle["intent_id"], notify=WANTED)
    world.execute("UPDATE payments SET state = 'succeeded' WHERE id = %s", refund)
    assert world.rows("SELECT * FROM follow_ups") == []


@pytest.mark.parametrize(
    ("answer", "state", "events"),
    [
        (SENT, "issued", ["sent"]),
        (NO, "refused", ["refused"]),
        (LOOK, "parked", ["parked"]),
        (HALT, "parked", ["parked"]),
        (ZeroDivisionError(), "parked", ["parked"]),
        (NOT_SENT, "waiting", []),
        (NOT_NOW, "waiting", []),
        (REAUTH, "waiting", []),
    ],
)
def test_whatever_becomes_of_a_message_its_payment_and_its_lanes_stay_as_they_are(
    world: World, answer: Answer, state: str, events: list[str]
) -> None:
    payment_id = world.settled("safe", OK, notify=WANTED)
    before, lanes = world.payment(payment_id), world.rows("SELECT * FROM lanes ORDER BY provider")
    world.ubill.messages.append(answer)
    world.run("ubill")
    assert (kept(world)["state"], told(world)) == (state, events)
    numbered = {"event_seq": before["event_seq"] + len(events)}
    assert world.payment(payment_id) == {**before, **numbered}
    assert world.rows("SELECT * FROM lanes ORDER BY provider") == lanes


def test_a_message_is_sent_again_with_the_same_bytes_only_when_it_surely_was_not_sent(world: World) -> None:
    world.settled("safe", OK, notify=WANTED)
    world.ubill.messages.extend([NOT_SENT, NOT_NOW, LOOK, SENT])
    for _ in range(3):
        world.run("ubill")
        world.advance(1000)
    assert world.run("ubill") == []
    assert kept(world)["state"] == "parked"
    assert world.ubill.messages_sent == [f"{NUMBER} ord-1".encode()] * 3


class Died(BaseException):
    """Ends a process between its claim and its record, like a kill."""


def test_a_message_whose_outcome_was_lost_is_parked_and_never_sent_again(world: World) -> None:
    world.settled("safe", OK, notify=WANTED)
    world.ubill.messages.append(Died())
    with pytest.raises(Died):
        world.run("ubill")
    world.advance(61)
    assert world.run("ubill") == []
    assert (kept(world)["state"], told(world)) == ("parked", ["parked"])
    world.advance(1_000_000)
    assert world.run("ubill") == []
    assert len(world.ubill.messages_sent) == 1


def test_a_redelivered_queue_message_sends_once(world: World) -> None:
    world.settled("safe", OK, notify=WANTED)
    world.run("ubill")
    follow_up(world.runtime, kept(world)["id"])
    assert len(world.ubill.messages_sent) == 1


@pytest.mark.parametrize(("late_s", "state"), [(-1, "issued"), (1, "refused")])
def test_a_message_that_is_too_old_is_refused_before_it_is_sent(world: World, late_s: float, state: str) -> None:
    world.settled("safe", OK, notify=WANTED)
    world.advance(86_400 + late_s)
    world.run("ubill")
    assert kept(world)["state"] == state
    assert len(world.ubill.messages_sent) == (state == "issued")
    if state == "refused":
        assert (kept(world)["detail"], told(world)) == ("it is too old to be sent", ["refused"])


def test_a_message_that_waits_for_credit_is_given_up_when_it_is_too_old(world: World) -> None:
    world.settled("safe", OK, notify=WANTED)
    world.ubill.messages.extend([NOT_NOW] * 200)
    for _ in range(120):
        world.run("ubill")
        world.advance(1000)
    assert kept(world)["state"] == "refused"
    assert 80 < len(world.ubill.messages_sent) < 90


def test_no_brand_refuses_with_that_reason(world: World) -> None:
    world.settled("safe", OK, notify=WANTED)
    world.ubill.builds.append(Refusal("no brand", Code.MESSAGE_NOT_POSSIBLE))
    world.run("ubill")
    assert (kept(world)["state"], kept(world)["detail"]) == ("refused", "no brand")


def test_while_ubill_is_off_its_messages_wait(rules_url: str) -> None:
    with running_world(rules_url, ubill={"base_url": None}) as off:
        assert "ubill" not in off.runtime.connected
        off.settled("safe", OK, notify=WANTED)
        for provider in off.runtime.connected:
            assert off.run(provider) == []
        assert kept(off)["state"] == "waiting"
        assert off.dispatched("ubill") == [kept(off)["id"]]  # dispatched before it was switched off
        follow_up(off.runtime, kept(off)["id"])
        assert (kept(off)["state"], kept(off)["detail"]) == ("waiting", "provider ubill is off")


def test_a_receipt_and_a_message_that_are_lost_at_once_are_told_under_numbers_of_their_own(world: World) -> None:
    world.settled("ubill", OK, notify=WANTED, receipt={"register": "", "email": ""})
    world.dispatched("ubill")
    world.execute("UPDATE follow_ups SET state = 'sending', due_at = clock()")
    world.dispatched("ubill")
    rows = world.rows("SELECT event_id, type FROM events WHERE type LIKE '%%.parked' ORDER BY event_id")
    first = world.value("SELECT event_seq FROM payments") - 1
    assert [row["event_id"] for row in rows] == [f"1-{first}", f"1-{first + 1}"]
    assert {row["type"] for row in rows} == {"settlepipe.receipt.parked", "settlepipe.sms.parked"}


def test_a_person_asks_again_for_a_parked_message_however_old_it_is(world: World) -> None:
    document = world.document(notify=WANTED)
    world.accept(document)
    world.run()
    world.ubill.messages.append(LOOK)
    world.run("ubill")
    world.advance(1_000_000)
    resolve_follow_up(
        world.runtime.database, "shop", document["intent_id"], "sms", "resend", reason="not there", by="operator-1"
    )
    world.run("ubill")
    assert (kept(world)["state"], len(world.ubill.messages_sent)) == ("issued", 2)


@pytest.mark.parametrize(
    ("status", "event"), [(RECEIVED, "delivered"), (NOT_DELIVERED, "undelivered"), (ERROR, "undelivered")]
)
def test_a_final_report_is_told_once_and_shown(world: World, status: int, event: str) -> None:
    payment_id = world.settled("safe", OK, notify=WANTED)
    world.run("ubill")
    say(world, AWAITED)
    assert told(world) == ["sent"]
    say(world, status, NOON + timedelta(seconds=1))
    say(world, status, NOON + timedelta(seconds=1))
    say(world, status, NOON + timedelta(seconds=9))
    assert told(world) == ["sent", event]
    with world.runtime.database.connection() as connection:
        shown = views.payment(connection, payment_id)["history"]
    assert [entry["state"] for entry in shown if entry["what"] == "sms"] == [event]
    assert NUMBER not in str(shown)


def test_a_report_that_comes_before_the_sending_is_recorded_is_told_with_it(world: World) -> None:
    world.settled("safe", OK, notify=WANTED)

    def overtaken() -> Answer:
        say(world, RECEIVED)
        return SENT

    world.ubill.messages.append(overtaken)
    world.run("ubill")
    assert told(world) == ["sent", "delivered"]


def test_a_report_of_another_message_or_number_tells_nothing_and_is_kept(world: World) -> None:
    world.settled("safe", OK, notify=WANTED)
    world.run("ubill")
    say(world, RECEIVED, sms_id="72")
    say(world, RECEIVED, number="995500000002")
    assert told(world) == ["sent"]
    assert world.value("SELECT count(*) FROM sms_reports") == 2


@pytest.mark.parametrize(
    ("first", "second", "later_s", "stays"),
    [
        (SENT_ON_ITS_WAY, AWAITED, 1, False),
        (SENT_ON_ITS_WAY, AWAITED, -1, True),
        (AWAITED, RECEIVED, -1, False),
        (RECEIVED, AWAITED, 1, True),
        (RECEIVED, SENT_ON_ITS_WAY, 1, True),
        (NOT_DELIVERED, RECEIVED, 1, False),
        (RECEIVED, NOT_DELIVERED, -1, True),
    ],
)
def test_reports_out_of_order_end_as_in_order(
    world: World, first: int, second: int, later_s: float, stays: bool
) -> None:
    later = NOON + timedelta(seconds=later_s)
    say(world, first, NOON)
    say(world, second, later)
    assert report(world) == ((first, NOON) if stays else (second, later))


def test_a_delivery_is_told_once_though_a_report_and_the_sending_meet(world: World) -> None:
    world.settled("safe", OK, notify=WANTED)
    world.run("ubill")
    barrier = threading.Barrier(6)

    def tell() -> None:
        barrier.wait()
        say(world, RECEIVED)

    threads = [threading.Thread(target=tell) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told(world) == ["sent", "delivered"]


def sent(world: World, *sms_ids: str) -> None:
    for sms_id in sms_ids:
        world.settled("safe", OK, notify=WANTED)
        world.ubill.messages.append(
            Answer("sent", Meaning.SUCCEEDED, http_status=200, provider_reference=sms_id, facts={"sms_id": sms_id})
        )
        world.run("ubill")
        world.advance(1)


def test_reports_are_asked_for_of_the_newest_messages_without_a_final_one(world: World) -> None:
    sent(world, "71", "72", "73", "74")
    say(world, RECEIVED, sms_id="74")
    say(world, AWAITED, sms_id="73")
    world.ubill.reports = {
        "73": [DeliveryReport(NUMBER, RECEIVED), DeliveryReport(NUMBER, RECEIVED)],
        "72": [DeliveryReport(NUMBER, SENT_ON_ITS_WAY)],
    }  # one that is not scripted would fail
    assert delivery.poll_reports(world.runtime, limit=2) == 2
    assert told(world) == ["sent"] * 4 + ["delivered"] * 2
    world.ubill.reports = {"72": [DeliveryReport(NUMBER, ERROR)]}
    assert delivery.poll_reports(world.runtime, limit=1) == 1
    assert told(world)[-1] == "undelivered"


def test_a_message_of_last_week_is_not_asked_for(world: World) -> None:
    sent(world, "71")
    world.advance(7 * 86_400)
    assert delivery.poll_reports(world.runtime, limit=9) == 0


def test_one_report_that_can_not_be_read_does_not_keep_the_others_but_three_end_the_poll(world: World) -> None:
    sent(world, "71", "72", "73", "74", "75")
    failed = LookupFailed("no answer")
    world.ubill.reports = {"75": failed, "74": [DeliveryReport(NUMBER, RECEIVED)], "73": failed, "72": failed}
    world.ubill.reports["71"] = failed
    assert delivery.poll_reports(world.runtime, limit=9) == 1
    assert told(world)[-1] == "delivered"
    world.ubill.reports["71"] = [DeliveryReport(NUMBER, RECEIVED)]
    assert delivery.poll_reports(world.runtime, limit=9) == 0  # 75, 73 and 72 again


def test_nobody_is_asked_while_ubill_is_off(rules_url: str) -> None:
    with running_world(rules_url, ubill={"base_url": None}) as off:
        assert delivery.poll_reports(off.runtime, limit=9) == 0

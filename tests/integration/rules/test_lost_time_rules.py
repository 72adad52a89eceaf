"""After a database lost time: what may have been sent in it is looked up before anything is sent."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.database import store
from shared.database.store import HeldError
from shared.domain.answers import Answer, CheckResult, Verdict
from shared.follow_ups import lane as follow_ups
from shared.follow_ups.ask import follow_up
from shared.payments import resolve as decide
from shared.payments.check import check
from shared.payments.look import Unresolvable, look
from shared.payments.release import release_refunds
from shared.payments.send import deliver, send
from shared.payments.store import lost_time
from shared.payments.store import send as send_store
from shared.payments.store.lost_time import Window
from shared.providers.base import Auth
from tests.support.alerts import raised
from tests.support.flow import ABSENT, AGAIN, APPLIED, LOOK, NO, NOT_SENT, OK, UNCLEAR, UNDOCUMENTED_NO, World

SENDING_S, WINDOW_S = 90.0, 604_800.0


def lose(world: World, since_s: float = 600, *, unbroken: bool = True) -> Window:
    """The database lost the time since then, and somebody has recovered it."""
    with world.runtime.database.transaction() as connection:
        now: datetime = world.value("SELECT clock() AS now")
        opened = lost_time.open_window(
            connection,
            now - timedelta(seconds=since_s),
            sending_s=SENDING_S,
            window_s=WINDOW_S,
            by="somebody",
            reason="a test",
            unbroken=unbroken,
        )
        follow_ups.end_in_lost_time(connection)
    return opened


def derived(world: World) -> None:
    """References have always been made with the key."""
    world.execute("UPDATE store SET key_fingerprint = 'x', derived_since = '2020-01-01'")


@pytest.fixture(autouse=True)
def _derived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.payments.admit.whole.derives", lambda *_: None)


def looks(world: World, provider: str, *verdicts: Any, times: int = 8, every_s: float = 400) -> None:
    """Have what is due checked until nothing more happens, each check with the last of these verdicts."""
    script = list(verdicts)
    for _ in range(times):
        if not world.providers[provider].verdicts:
            world.providers[provider].verdicts.append(script.pop(0) if len(script) > 1 else script[0])
        world.advance(every_s)
        world.run(provider)


def test_what_is_accepted_in_a_window_is_sent_once_the_books_do_not_show_it_and_not_before(world: World) -> None:
    derived(world)
    lose(world)
    payment_id = world.pay("careful")
    world.careful.verdicts.append(ABSENT)
    world.run("careful")
    assert world.state(payment_id) == "unknown"
    assert world.careful.sent == [], "what was sent before may still be on its way"
    looks(world, "careful", ABSENT)
    assert [sent for sent, _ in world.careful.sent] == [payment_id]
    assert world.state(payment_id) == "succeeded"


def test_what_the_books_show_is_succeeded_and_not_sent(world: World) -> None:
    derived(world)
    lose(world)
    payment_id = world.pay("careful")
    world.careful.verdicts.append(APPLIED)
    world.run("careful")
    assert (world.state(payment_id), world.careful.sent) == ("succeeded", [])


def test_a_check_is_asked_about_all_that_was_booked_since_the_lost_time_or_the_payment_began(world: World) -> None:
    derived(world)
    window = lose(world)
    old = world.pay("careful", paid_at="2020-01-01T00:00:00Z")
    new = world.pay("careful", paid_at=world.value("SELECT clock() AS now").isoformat())
    world.run("careful")
    since = {doubt.payment.id: doubt.first_sent_at for doubt in world.careful.doubts}
    assert since[old] == datetime.fromisoformat("2020-01-01T00:00:00+00:00")
    assert since[new] == window.since


def test_a_refusal_proves_nothing_where_the_promise_was_relied_on(world: World) -> None:
    derived(world)
    lose(world)
    payment_id = world.pay("safe")
    world.safe.verdicts.extend([UNCLEAR] * 8)
    world.safe.answers.append(NO)
    world.run()
    world.run()
    assert len(world.safe.sent) == 1, "the same request is promised to be safe"
    assert world.state(payment_id) == "unknown", "it may refuse it because it was applied"
    looks(world, "safe", UNCLEAR, every_s=22_000)
    assert world.state(payment_id) == "parked"
    assert len(world.safe.sent) == 1


def test_where_the_promise_was_relied_on_an_ambiguous_answer_is_resent_like_any_other(world: World) -> None:
    derived(world)
    lose(world)
    payment_id = world.pay("safe")
    world.safe.answers.extend([AGAIN, OK])
    world.run()
    world.advance(60)
    world.run()
    assert world.state(payment_id) == "succeeded"
    assert len(set(world.safe.bodies(payment_id))) == 1


def test_a_request_that_the_stream_told_of_as_another_one_is_a_persons(world: World) -> None:
    derived(world)
    document = world.document("safe")
    told = json.dumps({"request_sha256": "ab" * 32, "state": "unknown", "refund_of": None})
    world.execute(
        "INSERT INTO lost_payments (source, intent_id, epoch, told) VALUES ('shop', %s, 1, %s::json)",
        document["intent_id"],
        told,
    )
    lose(world)
    world.accept(document)
    payment_id = world.id_of(document)
    world.run()
    assert (world.state(payment_id), world.safe.sent) == ("parked", [])
    assert world.value("SELECT came_at IS NOT NULL FROM lost_payments")


@pytest.mark.parametrize("provider", ["careful", "safe"])
def test_what_may_have_been_sent_under_a_drawn_reference_goes_to_a_person(world: World, provider: str) -> None:
    lose(world)
    world.execute("UPDATE store SET key_fingerprint = 'x', derived_since = clock()")
    payment_id = world.pay(provider)
    looks(world, provider, ABSENT, times=3)
    assert (world.state(payment_id), world.providers[provider].sent) == ("parked", [])
    found = look(world.runtime, "shop", world.payment(payment_id)["intent_id"])
    assert found.result.verdict is Verdict.INCONCLUSIVE, "nor does a look prove it to that person"


def test_a_second_lost_time_forgets_nothing_of_the_first(world: World) -> None:
    lose(world)
    world.execute("UPDATE store SET key_fingerprint = 'x', derived_since = clock()")
    payment_id = world.pay("careful")
    world.advance(1000)
    lose(world)
    (facts,) = world.rows("SELECT facts FROM attempts WHERE payment_id = %s AND number = 0", payment_id)
    assert (facts["facts"]["drawn"], facts["facts"]["frozen"]) == (True, False)
    looks(world, "careful", ABSENT, times=3)
    assert (world.state(payment_id), world.careful.sent) == ("parked", [])


def test_a_late_refusal_of_an_attempt_from_before_the_lost_time_proves_nothing(world: World) -> None:
    """Another attempt may have followed it in the time that was lost, and it may be refused because of that one."""
    derived(world)
    payment_id = world.pay("careful")
    world.dispatched("careful")
    runtime = world.runtime
    with runtime.database.connection() as connection:
        claim = send_store.claim(connection, payment_id, runtime.worker_key, runtime.limits, seen=runtime.seen)
    assert claim is not None
    lose(world)
    world.careful.answers.append(NO)
    deliver(runtime, claim, 1e12)
    assert world.attempt(payment_id)["meaning"] == "refused"
    assert (world.state(payment_id), world.payment(payment_id)["in_doubt"]) == ("sending", True)
    looks(world, "careful", APPLIED, times=3)
    assert world.state(payment_id) == "succeeded"


@pytest.mark.parametrize("answer", [AGAIN, UNDOCUMENTED_NO])
def test_the_verdict_of_a_check_from_before_the_lost_time_changes_nothing(world: World, answer: Answer) -> None:
    """The database has forgotten that check, so another may have its number: whoever looks after the loss decides."""
    derived(world)
    payment_id = world.settled("careful", answer)
    world.advance(10_000)  # the settle window is over

    def frozen_in_the_look() -> CheckResult:
        lose(world)
        return ABSENT

    world.careful.verdicts.append(frozen_in_the_look)
    world.run("careful")
    assert (world.state(payment_id), len(world.careful.sent)) == ("unknown", 1)
    assert world.rows("SELECT FROM checks WHERE payment_id = %s", payment_id) == []
    looks(world, "careful", APPLIED, times=3)
    assert (world.state(payment_id), len(world.careful.sent)) == ("succeeded", 1)


def test_the_books_are_believed_for_what_they_show_also_under_a_drawn_reference(world: World) -> None:
    lose(world)
    world.execute("UPDATE store SET key_fingerprint = 'x', derived_since = clock()")
    payment_id = world.pay("careful")
    world.careful.verdicts.append(APPLIED)
    world.run("careful")
    assert world.state(payment_id) == "succeeded"


@pytest.mark.parametrize("state", ["accepted", "dispatched", "sending", "waiting", "unknown"])
def test_what_was_open_then_is_looked_up_whatever_it_was_about_to_do(world: World, state: str) -> None:
    derived(world)
    payment_id = world.pay("careful")
    if state != "accepted":
        world.dispatched("careful")
    if state == "unknown":
        world.careful.answers.append(LOOK)
        send(world.runtime, payment_id)
    if state in ("sending", "waiting"):
        runtime = world.runtime
        with runtime.database.connection() as connection:
            claim = send_store.claim(connection, payment_id, runtime.worker_key, runtime.limits, seen=runtime.seen)
        assert claim is not None
    if state == "waiting":
        world.execute("UPDATE attempts SET ended_at = clock(), meaning = 'not_sent'")
        world.execute("UPDATE payments SET state = 'waiting', due_at = clock()")
    assert world.state(payment_id) == state
    world.careful.sent.clear()
    world.careful.doubts.clear()
    lose(world)
    send(world.runtime, payment_id)
    assert world.careful.sent == []
    if state == "sending":
        world.die()
        world.runtime = world.another()
    for _ in range(4):
        world.careful.verdicts.append(APPLIED)
        world.advance(400)
        world.run("careful")
    assert (world.state(payment_id), world.careful.sent) == ("succeeded", [])
    assert world.careful.doubts


def test_a_refund_is_never_sent_by_the_machine(world: World) -> None:
    derived(world)
    settle = world.document("careful")
    world.accept(settle)
    world.run("careful")
    lose(world)
    refund = world.pay("careful", refund_of=settle["intent_id"])
    assert release_refunds(world.runtime) == 1
    looks(world, "careful", ABSENT, times=4)
    assert world.state(refund) == "parked"
    assert [sent for sent, _ in world.careful.sent] != [refund]
    assert len(world.careful.sent) == 1


def test_a_refund_that_may_have_been_made_is_not_refused_for_what_others_hold(world: World) -> None:
    derived(world)
    settle = world.document("careful", amount="100.00")
    world.accept(settle)
    world.run("careful")
    lose(world)
    other = world.pay("careful", refund_of=settle["intent_id"], amount="60.00")
    release_refunds(world.runtime)
    lost = world.pay("careful", refund_of=settle["intent_id"], amount="60.00")  # it was made in the lost time, untold
    release_refunds(world.runtime)
    looks(world, "careful", ABSENT, times=4)
    assert [world.state(one) for one in (other, lost)] == ["parked", "parked"]
    with world.runtime.database.connection() as connection:
        lost_time.close(connection, lost_time.open_ones(connection), "somebody")
    third = world.pay("careful", refund_of=settle["intent_id"], amount="1.00")
    release_refunds(world.runtime)
    assert world.state(third) == "refused"


@pytest.mark.parametrize(("unbroken", "ends"), [(True, "succeeded"), (False, "parked")])
def test_a_refund_after_the_window_is_a_persons_where_others_of_its_settle_may_be_lost(
    world: World, unbroken: bool, ends: str
) -> None:
    derived(world)
    settle = world.document("careful")
    world.accept(settle)
    world.run("careful")
    lose(world, unbroken=unbroken)
    with world.runtime.database.connection() as connection:
        assert lost_time.close(connection, lost_time.open_ones(connection), "somebody") == 1
    world.advance(1000)
    refund = world.pay("careful", refund_of=settle["intent_id"])
    assert release_refunds(world.runtime) == 1
    looks(world, "careful", ABSENT, times=4)
    assert world.state(refund) == ends


def test_a_refund_waits_for_its_settle_while_the_window_is_open_and_its_time_again(world: World) -> None:
    derived(world)
    lose(world)
    refund = world.pay("careful", refund_of="ord-that-was-lost")
    world.advance(WINDOW_S - 10)
    release_refunds(world.runtime)
    assert world.state(refund) == "accepted"
    world.advance(20)
    release_refunds(world.runtime)
    assert world.state(refund) == "accepted"
    world.advance(86_400)
    release_refunds(world.runtime)
    assert world.state(refund) == "refused"


def test_amounts_of_lost_refunds_are_taken_until_they_come_again(world: World) -> None:
    derived(world)
    settle = world.document("careful", amount="100.00")
    world.accept(settle)
    world.run("careful")
    told = json.dumps({"amount": "60.00", "refund_of": settle["intent_id"], "state": "unknown"})
    world.execute("INSERT INTO lost_payments (source, intent_id, epoch, told) VALUES ('shop', 'r', 1, %s::json)", told)
    refund = world.pay("careful", refund_of=settle["intent_id"], amount="50.00")
    release_refunds(world.runtime)
    assert world.state(refund) == "refused"
    assert "what is left" in world.payment(refund)["detail"]


def test_nothing_that_may_have_been_sent_is_cancelled(world: World) -> None:
    derived(world)
    before = world.document("careful")
    world.accept(before)
    lose(world)
    after = world.document("careful")
    world.accept(after)
    for document in (before, after):
        with pytest.raises(Unresolvable, match="may have reached its provider"):
            decide.cancel(world.runtime.database, "shop", document["intent_id"], reason="no", by="somebody")


def test_the_exclusive_key_is_taken_before_anything_is_asked(world: World) -> None:
    derived(world)
    lose(world)
    target = {"invoice": "one", "shared": True}
    first, second = (world.pay("careful", target=target) for _ in range(2))
    world.run("careful")
    assert (world.state(first), world.payment(second)["hold_reason"]) == ("unknown", "invoice_busy")
    assert [doubt.payment.id for doubt in world.careful.doubts] == [first]


def test_receipts_park_and_messages_are_not_sent(world: World) -> None:
    derived(world)
    old = world.settled("safe", receipt={"register": "", "email": "a@example.com"}, notify={"sms": "995500000000"})
    lose(world)
    new = world.pay("safe", receipt={"register": "", "email": "a@example.com"}, notify={"sms": "995500000000"})
    world.safe.verdicts.append(APPLIED)
    world.run()
    for payment_id in (old, new):
        rows = world.rows("SELECT kind, state FROM follow_ups WHERE payment_id = %s ORDER BY kind", payment_id)
        assert [(row["kind"], row["state"]) for row in rows] == [("receipt", "parked"), ("sms", "refused")]
        told = world.rows("SELECT event_id, type FROM events WHERE payment_id = %s ORDER BY id", payment_id)
        assert [row["type"].removeprefix("settlepipe.") for row in told][-2:] == ["receipt.parked", "sms.refused"]
        numbers = [int(row["event_id"].rpartition("-")[2]) for row in told]
        assert numbers == list(range(1, len(numbers) + 1)), "in order, none missing"
        assert world.payment(payment_id)["event_seq"] == len(numbers)
    world.advance(1000)
    world.run()
    world.run("ubill")
    assert (world.safe.receipts_sent, world.ubill.messages_sent) == ([], [])


@pytest.mark.parametrize("slept", ["before", "after"])
def test_a_receipt_that_was_being_asked_for_before_the_lost_time_is_not_touched(world: World, slept: str) -> None:
    """The database has forgotten that claim, and another one, after a person's decision, got its number."""
    derived(world)
    receipt = {"register": "", "email": "a@example.com"}
    payment_id = world.settled("safe", receipt=receipt)

    def forgotten(then: Any) -> Any:
        lose(world)
        world.execute(
            "UPDATE follow_ups SET state = 'sending', finished_at = NULL, due_at = clock() + interval '60 s'"
            " WHERE payment_id = %s",
            payment_id,
        )
        return then

    if slept == "before":
        world.safe.auths.append(lambda: forgotten(Auth()))
    else:
        world.safe.receipts.append(lambda: forgotten(NOT_SENT))
    world.run()
    assert len(world.safe.receipts_sent) == (1 if slept == "after" else 0)
    assert world.value("SELECT state FROM follow_ups") == "sending"


def test_after_the_window_all_is_as_before(world: World) -> None:
    derived(world)
    lose(world)
    with world.runtime.database.connection() as connection:
        assert lost_time.close(connection, lost_time.open_ones(connection), "somebody") == 1
        assert lost_time.close(connection, lost_time.open_ones(connection), "somebody") == 0
    payment_id = world.settled("careful")
    assert (world.state(payment_id), world.careful.doubts) == ("succeeded", [])


def hold(world: World) -> None:
    with world.runtime.database.connection() as connection:
        assert store.hold(connection, "a test")
        assert not store.hold(connection, "again")


def test_while_the_store_is_held_nothing_goes_on(world: World) -> None:
    derived(world)
    sent = world.pay("careful")
    world.dispatched("careful")
    asked = world.settled("careful", LOOK)
    assert world.dispatched("careful") == [asked]
    receipt = world.settled("safe", receipt={"register": "", "email": "a@example.com"})
    world.dispatched()
    parked = world.settled("careful", LOOK)
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL WHERE id = %s", parked)
    seen = look(world.runtime, "shop", world.payment(parked)["intent_id"])
    world.careful.sent.clear()
    world.careful.doubts.clear()
    before = world.rows("SELECT * FROM payments ORDER BY id")
    hold(world)
    with pytest.raises(HeldError, match="settlepipe recover"):
        world.pay("careful")
    send(world.runtime, sent)
    check(world.runtime, asked)
    follow_up(world.runtime, world.value("SELECT id FROM follow_ups WHERE payment_id = %s", receipt))
    for answer in ("succeeded", "resend"):
        with pytest.raises(HeldError):
            decide.resolve(world.runtime, seen, answer, reason="no", by="somebody")
    with pytest.raises(HeldError):
        decide.cancel(world.runtime.database, "shop", world.payment(sent)["intent_id"], reason="no", by="somebody")
    world.advance(3600)
    for provider in ("safe", "careful", "ubill"):
        assert world.batches(provider) == []
    assert (world.careful.sent, world.careful.doubts, world.safe.receipts_sent) == ([], [], [])
    assert world.rows("SELECT * FROM payments ORDER BY id") == before


@pytest.mark.parametrize("seen", ["a later beat", "a later epoch", "a longer log"])
def test_a_process_that_saw_more_of_the_database_than_it_holds_claims_nothing(world: World, seen: str) -> None:
    derived(world)
    with world.runtime.database.connection() as connection:
        store.adopt(connection)
        world.execute("UPDATE store SET epoch = 1, beat = 10")
        world.runtime.seen.saw(store.look(connection).here)
    payment_id = world.pay("careful")
    world.dispatched("careful")
    back = {"a later beat": "beat = 9", "a later epoch": "epoch = 0, beat = 99", "a longer log": "beat = 10"}
    world.execute(f"UPDATE store SET {back[seen]}")
    if seen == "a longer log":
        at = world.runtime.seen.highest
        assert at is not None
        world.runtime.seen.saw(replace(at, written=at.written + 1_000_000_000))
    send(world.runtime, payment_id)
    assert (world.careful.sent, world.batches("careful")) == ([], [])
    with pytest.raises(HeldError):
        world.pay("careful")
    name = world.payment(payment_id)["intent_id"]
    with pytest.raises(HeldError):  # what it forgot may be that this one was sent
        decide.cancel(world.runtime.database, "shop", name, reason="no", by="shop (key 1)", seen=world.runtime.seen)


def test_a_database_that_lives_elsewhere_than_it_did_lets_nothing_go_on(world: World) -> None:
    derived(world)
    payment_id = world.pay("careful")
    world.dispatched("careful")
    world.execute("UPDATE store SET installation = gen_random_uuid(), lives_at = '1/00000001/2'")
    send(world.runtime, payment_id)
    assert world.careful.sent == []
    with pytest.raises(HeldError, match="lost time"):
        world.pay("careful")


def test_an_outcome_of_an_attempt_that_the_database_lost_ends_no_other_one(world: World) -> None:
    """The same number was given again: only the token tells them apart."""
    payment_id = world.pay("safe")
    world.dispatched()
    runtime = world.runtime
    with runtime.database.connection() as connection:
        lost = send_store.claim(connection, payment_id, runtime.worker_key, runtime.limits, uuid4(), seen=runtime.seen)
        assert lost is not None
        world.execute("UPDATE attempts SET token = gen_random_uuid()")  # after the restore, somebody else's claim
    world.safe.answers.append(NO)
    deliver(runtime, lost, 1e12)
    assert world.state(payment_id) == "sending"
    assert world.attempt(payment_id)["meaning"] is None


def test_a_success_of_a_payment_that_the_database_lost_ends_no_other_one(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    payment_id = world.pay("safe")
    world.dispatched()
    runtime = world.runtime
    with runtime.database.connection() as connection:
        lost = send_store.claim(connection, payment_id, runtime.worker_key, runtime.limits, seen=runtime.seen)
    assert lost is not None
    world.execute("ALTER TABLE payments DISABLE TRIGGER USER")
    try:
        world.execute("UPDATE payments SET sent_reference = 'another'")
    finally:
        world.execute("ALTER TABLE payments ENABLE TRIGGER USER")
    world.safe.answers.append(OK)
    deliver(runtime, lost, 1e12)
    assert world.state(payment_id) == "sending"
    assert raised(capsys, "another_payment") == 1
    world.execute("UPDATE payments SET state = 'waiting', due_at = clock()")
    world.dispatched()
    send(runtime, payment_id, lost.payment.sent_reference)
    assert len(world.safe.sent) == 1, "a message that names another one sends nothing"

"""Refunds: held until their settle is final, and never more than what was settled."""

import threading
from typing import Any

import psycopg
import pytest

from scheduler.dispatcher import Releases
from shared.database.engine import driver_url
from shared.domain.payment import HoldReason, Payment
from shared.domain.request import Hold, Refusal, Request
from shared.payments.release import release_directory_holds, release_refunds
from shared.payments.send import send
from shared.providers.ours import Directory
from tests.support.alerts import raised
from tests.support.bank import until
from tests.support.flow import ABSENT, AGAIN, LOOK, NO, OK, World, together, waits_for_lock


def settle(world: World, provider: str = "safe", *answers: object, **fields: object) -> str:
    """Accept a settle, send it if answers are given; its intent id."""
    document = world.document(provider, **fields)
    world.accept(document)
    if answers:
        world.providers[provider].answers.extend(answers)
        world.run(provider)
    return str(document["intent_id"])


def held(world: World, payment_id: int) -> bool:
    payment = world.payment(payment_id)
    return (payment["state"], payment["hold_reason"]) == ("accepted", "settle_pending")


def released(world: World, payment_id: int) -> dict[str, Any]:
    release_refunds(world.runtime)
    return world.payment(payment_id)


@pytest.mark.parametrize("answer", [None, AGAIN, LOOK])
def test_a_refund_is_held_until_its_settle_is_final(world: World, answer: object) -> None:
    named = settle(world, "safe", *([answer] if answer else []))
    refund = world.pay(refund_of=named)
    world.advance(200_000)
    assert released(world, refund)["hold_reason"] == "settle_pending"
    assert world.payment(refund)["due_at"] is None


def test_a_refund_is_released_when_its_settle_succeeded_and_is_built_from_it(world: World) -> None:
    named = settle(world, "safe", OK, target={"invoice": "i-7"})
    refund = world.pay(refund_of=named, amount="40.00")
    payment = released(world, refund)
    assert payment["hold_reason"] is None
    assert payment["target"]["invoice"] == "i-7"
    assert b'"sum": 4000' in payment["body"]
    world.run()
    assert world.state(refund) == "succeeded"


def test_a_refund_that_comes_before_its_settle_waits_for_it(world: World) -> None:
    refund = world.pay(refund_of="ord-later")
    released(world, refund)
    assert held(world, refund)
    settle(world, "safe", OK, intent_id="ord-later")
    assert released(world, refund)["hold_reason"] is None


def test_a_refund_whose_settle_never_came_is_refused_after_the_wait(world: World) -> None:
    refund = world.pay(refund_of="ord-never")
    world.advance(86_399)
    released(world, refund)
    assert held(world, refund)
    world.advance(2)
    payment = released(world, refund)
    assert (payment["state"], payment["detail"]) == ("refused", "no settle ord-never came within 24 h")


def test_a_refund_of_another_sources_payment_does_not_find_it(world: World) -> None:
    named = settle(world, "safe", OK)
    refund = world.pay(refund_of=named, source="other")
    released(world, refund)
    assert held(world, refund)


@pytest.mark.parametrize("final", ["refused", "cancelled"])
def test_a_refund_is_refused_when_its_settle_ended_otherwise(world: World, final: str) -> None:
    named = settle(world, "safe")
    world.execute("UPDATE payments SET state = %s", final)
    payment = released(world, world.pay(refund_of=named))
    assert (payment["state"], payment["detail"]) == ("refused", f"its settle {named} was {final}")


def test_a_refund_of_a_refund_is_refused(world: World) -> None:
    first = world.document(refund_of=settle(world, "safe", OK))
    world.accept(first)
    payment = released(world, world.pay(refund_of=first["intent_id"]))
    assert (payment["state"], payment["detail"]) == ("refused", "it names a payment that is not a settle")


def test_a_refund_at_another_provider_than_its_settles_is_refused(world: World) -> None:
    payment = released(world, world.pay("careful", refund_of=settle(world, "safe", OK)))
    assert (payment["state"], payment["detail"]) == ("refused", "its provider or currency differs from its settle's")


@pytest.mark.parametrize(("answer", "left"), [(OK, "60.00"), (LOOK, "60.00"), (NO, "100.00")])
def test_the_sum_of_refunds_counts_unknown_ones_and_not_refused_ones(world: World, answer: object, left: str) -> None:
    named = settle(world, "safe", OK)
    first = world.pay(refund_of=named, amount="40.00")
    released(world, first)
    world.safe.answers.append(answer)
    world.run()
    too_much = released(world, world.pay(refund_of=named, amount="100.01"))
    assert too_much["state"] == "refused"
    assert f"({left} MNT)" in too_much["detail"]
    assert released(world, world.pay(refund_of=named, amount=left))["hold_reason"] is None


def test_the_sum_counts_released_refunds_that_were_not_sent_yet(world: World) -> None:
    named = settle(world, "safe", OK)
    first, second = world.pay(refund_of=named, amount="60.00"), world.pay(refund_of=named, amount="60.00")
    assert release_refunds(world.runtime) == 2
    assert [world.state(i) for i in (first, second)] == ["accepted", "refused"]


def test_two_releases_at_once_can_not_refund_more_than_was_settled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = settle(world, "safe", OK)
    first = world.pay(refund_of=named, amount="60.00")
    inside, go_on = threading.Event(), threading.Event()
    build = world.safe.build

    def slowly(payment: Payment, directory: Directory) -> Request | Hold | Refusal:
        if payment.id == first:
            inside.set()
            assert go_on.wait(120)
        return build(payment, directory)

    monkeypatch.setattr(world.safe, "build", slowly)
    other = world.another()
    one = threading.Thread(target=release_refunds, args=(world.runtime,))
    one.start()
    assert inside.wait(120)  # the settle is locked now
    second = world.pay(refund_of=named, amount="60.00")
    two = threading.Thread(target=release_refunds, args=(other,))
    two.start()
    until(lambda: waits_for_lock(world.connection), True)
    go_on.set()
    one.join(120)
    two.join(120)
    assert sorted(world.state(i) for i in (first, second)) == ["accepted", "refused"]


def test_releases_at_once_release_each_refund_once(world: World) -> None:
    refunds = [world.pay(refund_of=settle(world, "safe", OK)) for _ in range(5)]
    other = world.another()
    together(lambda: release_refunds(world.runtime), lambda: release_refunds(other))
    release_refunds(world.runtime)
    assert {world.payment(i)["hold_reason"] for i in refunds} == {None}


@pytest.mark.parametrize(("provider", "answers"), [("safe", [AGAIN, OK]), ("careful", [LOOK, OK])])
def test_a_refund_waits_one_settle_window_after_its_settles_last_doubtful_attempt(
    world: World, provider: str, answers: list[object]
) -> None:
    named = settle(world, provider, *answers)
    if provider == "careful":
        world.careful.verdicts.append(ABSENT)
        world.advance(151)
    world.advance(10)
    world.run(provider)
    refund = world.pay(provider, refund_of=named)
    due_in = released(world, refund)["due_in"].total_seconds()
    assert 139 < due_in <= 140 if provider == "safe" else due_in <= 0


def test_a_refund_waits_for_the_lease_of_an_attempt_without_an_end(world: World) -> None:
    named = settle(world, "safe", OK)
    world.execute("UPDATE attempts SET ended_at = NULL, meaning = NULL")
    refund = world.pay(refund_of=named)
    assert 200 < released(world, refund)["due_in"].total_seconds() <= 210


def test_a_refund_that_can_not_be_built_yet_is_held_for_what_it_needs(world: World) -> None:
    named = settle(world, "safe", OK)
    refund = world.pay(refund_of=named)
    world.safe.builds.append(Hold(HoldReason.NO_ACCOUNT, "no account"))
    assert released(world, refund)["hold_reason"] == "no_account"
    release_directory_holds(world.runtime, "safe")
    assert released(world, refund)["hold_reason"] is None


def test_a_refund_whose_adapter_fails_stays_held_and_stops_no_other(world: World) -> None:
    first, second = (world.pay(refund_of=settle(world, "safe", OK)) for _ in range(2))
    world.safe.builds.append(ZeroDivisionError())
    assert release_refunds(world.runtime) == 2
    assert held(world, first)
    assert world.payment(second)["hold_reason"] is None


def test_a_held_payment_whose_adapter_fails_stays_held_and_stops_no_other(world: World) -> None:
    world.safe.builds.extend([Hold(HoldReason.NO_ACCOUNT, "no account")] * 2)
    first, second = world.pay(), world.pay()
    world.safe.builds.append(ZeroDivisionError())
    release_directory_holds(world.runtime, "safe")
    assert [world.payment(i)["hold_reason"] for i in (first, second)] == ["no_account", None]


def test_what_is_held_is_outside_limits_and_deadlines_and_released_by_what_it_waits_for(world: World) -> None:
    world.safe.builds.append(Hold(HoldReason.NO_ACCOUNT, "no account"))
    payment_id = world.pay()
    world.advance(1_000_000)
    assert world.dispatched() == []
    send(world.runtime, payment_id)
    assert (world.state(payment_id), world.safe.sent) == ("accepted", [])
    release_directory_holds(world.runtime, "safe")
    assert world.run() == [payment_id]
    assert world.state(payment_id) == "succeeded"


def test_refunds_that_can_not_be_built_keep_no_other_from_its_turn_and_are_told_once(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than one look takes, each for ever, before a good one."""
    named = settle(world, "safe", OK)
    bad = world.document(refund_of=named, amount="0.01")
    world.accept(*[bad | {"intent_id": f"bad-{number}"} for number in range(205)])
    good = world.pay(refund_of=named, amount="1.00")
    build = world.safe.build

    def failing(payment: Any, directory: Any) -> Any:
        if payment.intent_id.startswith("bad-"):
            raise ZeroDivisionError
        return build(payment, directory)

    monkeypatch.setattr(world.safe, "build", failing)
    releases = Releases()
    for _ in range(4):
        releases._swept_at = float("-inf")
        releases.look(world.runtime, None)
    assert world.payment(good)["hold_reason"] is None
    assert raised(capsys, "build_failed") == 205


def test_a_refund_whose_statement_fails_or_whose_settle_is_locked_keeps_no_other_from_its_turn(world: World) -> None:
    settles = [settle(world, "safe", OK) for _ in range(3)]
    locked, failing, good = (world.pay(refund_of=named) for named in settles)
    world.execute(
        f"""CREATE OR REPLACE FUNCTION pg_temp.fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'made up'; END $$;
        CREATE TRIGGER fail BEFORE UPDATE ON payments FOR EACH ROW WHEN (NEW.id = {failing})
        EXECUTE FUNCTION pg_temp.fail()"""
    )
    try:
        with psycopg.connect(driver_url(world.url)) as somebody:
            somebody.execute("SELECT FROM payments WHERE intent_id = %s FOR UPDATE", (settles[0],))
            release_refunds(world.runtime)
            assert held(world, locked)
            assert world.payment(good)["hold_reason"] is None
    finally:
        world.execute("DROP TRIGGER fail ON payments")
    release_refunds(world.runtime)
    assert [world.payment(i)["hold_reason"] for i in (locked, failing)] == [None, None]

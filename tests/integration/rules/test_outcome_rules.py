"""send: what each answer leads to, and how it is recorded."""

import dataclasses
import threading

import psycopg
import pytest

from shared.domain.answers import Answer
from shared.domain.payment import State
from shared.payments.dispute import dispute
from shared.payments.release import release_refunds
from shared.payments.send import send
from shared.payments.store import send as send_store
from shared.payments.store.send import Outcome
from shared.providers.base import Auth, LoginRefused
from shared.telemetry import counters
from tests.support.bank import until
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
    UNDOCUMENTED_NO,
    World,
)


@pytest.mark.parametrize(
    ("provider", "answer", "state", "doubts"),
    [
        ("safe", OK, "succeeded", (False, True)),
        ("careful", OK, "succeeded", (False, True)),
        ("safe", NO, "refused", (False, True)),
        ("careful", NO, "refused", (False, True)),
        ("safe", AGAIN, "waiting", (True, True)),
        ("careful", AGAIN, "unknown", (True, True)),  # a table that says RESEND where nothing promises it
        ("safe", LOOK, "unknown", (True, True)),
        ("careful", LOOK, "unknown", (True, True)),
        ("safe", UNDOCUMENTED_NO, "unknown", (True, True)),
        ("safe", NOT_SENT, "waiting", (False, False)),
        ("careful", NOT_SENT, "waiting", (False, False)),
        ("careful", TOO_MANY, "waiting", (False, False)),
        ("safe", REAUTH, "waiting", (False, True)),
        ("careful", REAUTH, "waiting", (False, True)),
        ("safe", HALT, "waiting", (True, True)),
        ("careful", HALT, "unknown", (True, True)),
    ],
)
def test_each_meaning_has_its_consequence(
    world: World, provider: str, answer: Answer, state: str, doubts: tuple[bool, bool]
) -> None:
    payment_id = world.settled(provider, answer)
    payment, attempt = world.payment(payment_id), world.attempt(payment_id)
    assert (payment["state"], (payment["in_doubt"], payment["possibly_sent"])) == (state, doubts)
    assert (attempt["meaning"], attempt["kind"]) == (answer.meaning, answer.kind)
    assert attempt["ended_at"] is not None


def test_waits_are_backed_off_within_the_cap_and_respect_retry_after(world: World) -> None:
    payment_id = world.settled("safe", AGAIN)
    assert 0 <= world.payment(payment_id)["due_in"].total_seconds() <= 4
    payment_id = world.settled("narrow", dataclasses.replace(TOO_MANY, retry_after_s=120.0))
    assert 119 < world.payment(payment_id)["due_in"].total_seconds() <= 120


def test_a_refused_token_is_forgotten_and_the_same_bytes_are_sent_at_once_as_an_attempt_of_their_own(
    world: World,
) -> None:
    old, new = Auth(version=1), Auth(version=2, fresh_after_refusal=True)
    world.careful.auths.extend([old, new])
    payment_id = world.settled("careful", REAUTH, OK)
    assert world.careful.forgotten == [old]
    assert world.run("careful") == [payment_id]  # no clock was moved: it is due at once
    assert world.state(payment_id) == "succeeded"
    assert world.payment(payment_id)["attempts"] == 2
    assert len(set(world.careful.bodies(payment_id))) == 1


def test_a_second_refused_token_in_a_row_halts_the_lane_and_the_payment_waits(world: World) -> None:
    world.safe.auths.extend([Auth(version=1), Auth(version=2, fresh_after_refusal=True)])
    payment_id = world.settled("safe", REAUTH, REAUTH)
    world.run()
    assert world.lane("safe")["halted_at"] is not None
    assert "credentials" in world.lane("safe")["halted_reason"]
    assert world.state(payment_id) == "waiting"


def test_a_second_refused_token_in_a_row_at_a_check_provider_is_checked(world: World) -> None:
    world.careful.auths.extend([Auth(version=2, fresh_after_refusal=True)])
    payment_id = world.settled("careful", REAUTH)
    assert world.lane("careful")["halted_at"] is not None
    assert world.state(payment_id) in ("waiting", "unknown")


@pytest.mark.parametrize("error", [psycopg.OperationalError("gone"), ZeroDivisionError()])
def test_a_token_that_can_not_be_invalidated_does_not_lose_the_answer(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def forget(_auth: Auth) -> bool:
        raise error

    monkeypatch.setattr(world.careful, "forget", forget)
    payment_id = world.settled("careful", REAUTH)
    assert world.attempt(payment_id)["meaning"] == "reauth"
    assert world.state(payment_id) == "waiting"


def test_a_refused_login_halts_the_lane_and_the_payment_waits(world: World) -> None:
    world.careful.auths.append(LoginRefused("the credentials are refused"))
    payment_id = world.settled("careful")
    assert world.lane("careful")["halted_reason"] == "the credentials are refused"
    assert world.state(payment_id) == "waiting"
    assert world.payment(payment_id)["possibly_sent"] is False


def test_a_401_says_nothing_about_an_earlier_unknown(world: World) -> None:
    payment_id = world.settled("safe", AGAIN, REAUTH)
    world.advance(10)
    world.run()
    assert world.payment(payment_id)["in_doubt"] is True


def test_a_refusal_after_an_ambiguous_attempt_is_checked_not_refused(world: World) -> None:
    payment_id = world.settled("safe", AGAIN, NO)
    world.advance(10)
    world.run()
    assert world.state(payment_id) == "unknown"
    world.safe.verdicts.append(APPLIED)
    world.run()
    assert world.state(payment_id) == "succeeded"
    assert world.safe.doubts[0].last_refusal == "unknown customer"


def test_a_halt_never_becomes_a_refusal(world: World) -> None:
    payment_id = world.settled("careful", dataclasses.replace(HALT, refusal=True), OK)
    world.execute("UPDATE lanes SET halted_at = NULL")
    world.advance(200)
    world.careful.verdicts.append(ABSENT)
    world.run("careful")
    assert world.state(payment_id) == "succeeded"


def test_an_adapter_that_raises_leaves_its_payment_unknown(world: World) -> None:
    payment_id = world.settled("safe", ZeroDivisionError())
    assert world.state(payment_id) == "unknown"
    assert world.attempt(payment_id)["kind"] == "adapter_failed"


def test_a_log_in_that_raises_is_recorded_as_not_sent(world: World) -> None:
    world.careful.auths.append(ZeroDivisionError())
    payment_id = world.settled("careful")
    assert world.state(payment_id) == "waiting"
    assert world.attempt(payment_id)["meaning"] == "not_sent"


@pytest.mark.parametrize("poison", ["a\0b", "\ud800", "x" * 100_000])
def test_text_that_postgresql_can_not_keep_does_not_lose_an_outcome(world: World, poison: str) -> None:
    answer = dataclasses.replace(OK, detail=poison, facts={"status": poison, poison: [poison]})
    assert world.state(world.settled("safe", answer)) == "succeeded"
    unknown = world.settled("careful", LOOK)
    evidence = {"status": poison, poison: [poison]}
    world.careful.verdicts.append(dataclasses.replace(APPLIED, detail=poison, evidence=evidence))
    world.run("careful")
    assert world.state(unknown) == "succeeded"


def test_a_lost_lease_is_an_ambiguous_attempt_and_is_resent_where_that_is_safe(world: World) -> None:
    payment_id = world.pay()
    claimed(world, "safe")
    world.advance(59)
    world.batches()
    assert world.state(payment_id) == "sending"
    world.advance(2)
    world.batches()
    payment = world.payment(payment_id)
    assert (payment["state"], payment["in_doubt"], payment["possibly_sent"]) == ("waiting", True, True)
    assert payment["due_in"].total_seconds() <= 2


def test_a_lost_lease_is_unknown_where_a_resend_is_not_safe(world: World) -> None:
    payment_id = world.pay("careful")
    claimed(world, "careful")
    world.advance(61)
    world.batches("careful")
    payment = world.payment(payment_id)
    assert (payment["state"], payment["in_doubt"], payment["possibly_sent"]) == ("unknown", True, True)
    assert world.events(payment_id) == ["accepted", "unknown"]


def test_a_lost_lease_before_the_books_were_kept_is_not_sent(world: World) -> None:
    """The send comes after the books are kept: without them nothing went out, and there is nothing to look for."""
    settle = world.document("careful")
    world.accept(settle)
    world.run("careful")
    refund = world.pay("careful", refund_of=settle["intent_id"])
    assert release_refunds(world.runtime) == 1
    sent = len(world.careful.sent)

    def dies() -> None:
        raise Died

    world.careful.baselines.append(dies)
    with pytest.raises(Died):
        world.run("careful")
    world.advance(61)
    world.batches("careful")
    payment = world.payment(refund)
    assert (payment["state"], payment["in_doubt"], payment["possibly_sent"]) == ("waiting", False, False)
    assert world.attempt(refund)["meaning"] == "not_sent"
    world.advance(10)
    world.run("careful")
    assert world.state(refund) == "succeeded"
    assert len(world.careful.sent) == sent + 1


class Died(BaseException):
    """Ends a sender between its claim and its record, like a kill."""


def claimed(world: World, provider: str) -> None:
    """Claim what is due and die before anything is recorded."""
    world.providers[provider].answers.append(Died())
    with pytest.raises(Died):
        world.run(provider)


def test_an_outcome_is_tried_until_postgresql_answers_and_nothing_is_claimed_meanwhile(own_world: World) -> None:
    world = own_world
    first, second = world.pay(), world.pay()
    world.dispatched()

    def and_the_database_goes_away() -> Answer:
        deny(world, True)
        return OK

    world.safe.answers.append(and_the_database_goes_away)
    sender = threading.Thread(target=send, args=(world.runtime, first))
    sender.start()
    try:
        until(lambda: world.runtime.gate.open, False)
        deny(world, None)  # whoever got in again
        send(world.runtime, second)  # must not even ask for a claim: it would raise, or send
    finally:
        deny(world, False)
    sender.join(120)
    assert not sender.is_alive()
    world.connection = psycopg.connect(world.url, autocommit=True, row_factory=psycopg.rows.dict_row)
    world.closing.append(world.connection.close)
    assert world.state(first) == "succeeded"
    assert world.state(second) == "dispatched"
    assert [sent for sent, _ in world.safe.sent] == [first]
    until(lambda: world.runtime.gate.open, True)
    send(world.runtime, second)
    assert world.state(second) == "succeeded"


def deny(world: World, denied: bool | None) -> None:
    """Refuse connections to the world's database and end those that are there."""
    server, name = world.url.rsplit("/", 1)
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        if denied is not None:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {'false' if denied else 'true'}")
        if denied is not False:
            end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(end, (name,))


def test_an_outcome_written_to_a_standby_is_written_again_when_there_is_a_primary(own_world: World) -> None:
    world = own_world
    payment_id = world.pay()
    world.dispatched()

    def and_the_database_is_read_only() -> Answer:
        read_only(world, True)
        return OK

    world.safe.answers.append(and_the_database_is_read_only)
    sender = threading.Thread(target=send, args=(world.runtime, payment_id))
    sender.start()
    until(lambda: world.runtime.gate.open, False)
    read_only(world, False)
    sender.join(120)
    assert not sender.is_alive()
    assert world.state(payment_id) == "succeeded"


def read_only(world: World, on: bool) -> None:
    """Refuse every change of a payment as a standby does."""
    if on:
        world.execute(
            """CREATE FUNCTION as_a_standby() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                RAISE 'cannot execute UPDATE in a read-only transaction' USING ERRCODE = 'read_only_sql_transaction';
            END $$"""
        )
        world.execute("CREATE TRIGGER standby BEFORE UPDATE ON payments EXECUTE FUNCTION as_a_standby()")
    else:
        world.execute("DROP TRIGGER standby ON payments")


def test_an_outcome_recorded_twice_counts_once(world: World) -> None:
    payment_id = world.pay()
    world.dispatched()
    with world.runtime.database.connection() as connection:
        claim = send_store.claim(
            connection, payment_id, world.runtime.worker_key, world.runtime.limits, seen=world.runtime.seen
        )
        assert claim is not None
        outcome = Outcome(OK, State.SUCCEEDED, None, in_doubt=False, possibly_sent=True, signal="alive")
        assert send_store.record(connection, claim, outcome, world.runtime.limits)
        assert not send_store.record(connection, claim, outcome, world.runtime.limits)
    dispute(world.runtime, claim)
    assert world.events(payment_id) == ["accepted", "succeeded"]
    assert world.rows("SELECT * FROM discrepancies") == []


def test_an_attempt_is_counted_once_by_its_process(world: World) -> None:
    def counted() -> tuple[float, float]:
        lane = {"provider": "safe", "operation": "settle"}
        told = counters.REGISTRY.get_sample_value
        attempts = told("settlepipe_attempts_total", {**lane, "meaning": "succeeded"})
        return attempts or 0, told("settlepipe_call_seconds_count", lane) or 0

    attempts, calls = counted()
    world.settled()
    assert counted() == (attempts + 1, calls + 1)

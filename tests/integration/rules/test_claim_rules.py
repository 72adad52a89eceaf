"""send: who may send, and what exactly is sent."""

import hashlib

import pytest

from shared import lanes
from shared.payments import send as send_module
from shared.payments.release import release_refunds
from shared.payments.send import send
from shared.payments.store import send as send_store
from shared.providers.base import Auth, LoginUnavailable
from shared.runtime import SignOfLife
from tests.support.bank import until
from tests.support.flow import AGAIN, LOOK, NOT_SENT, OK, World, together


@pytest.mark.parametrize("state", ["accepted", "waiting", "succeeded", "unknown"])
def test_only_a_dispatched_payment_is_claimed(world: World, state: str) -> None:
    payment_id = world.pay("careful" if state == "unknown" else "safe")
    if state != "accepted":
        answer = {"waiting": AGAIN, "succeeded": OK, "unknown": LOOK}[state]
        for provider in (world.safe, world.careful):
            provider.answers.append(answer)
        world.run("safe")
        world.run("careful")
    assert world.state(payment_id) == state
    before = len(world.safe.sent + world.careful.sent)
    send(world.runtime, payment_id)
    assert len(world.safe.sent + world.careful.sent) == before


def test_a_redelivered_message_sends_nothing_more(world: World) -> None:
    payment_id = world.settled("safe", OK)
    send(world.runtime, payment_id)
    assert len(world.safe.sent) == 1


def test_two_workers_with_the_same_message_send_it_once(world: World) -> None:
    ids = [world.pay() for _ in range(12)]
    world.dispatched()
    other = world.another()
    together(*(lambda r=r, i=i: send(r, i) for i in ids for r in (world.runtime, other)))
    assert sorted(sent for sent, _ in world.safe.sent) == ids
    assert {world.payment(i)["attempts"] for i in ids} == {1}


def test_an_expired_dispatch_lease_is_not_claimed(world: World) -> None:
    payment_id = world.pay()
    world.dispatched()
    world.advance(60)
    send(world.runtime, payment_id)
    assert world.safe.sent == []


@pytest.mark.parametrize("stop", ["paused_at", "halted_at", "open_until"])
def test_nothing_is_claimed_in_a_lane_that_does_not_run(world: World, stop: str) -> None:
    payment_id = world.pay()
    world.dispatched()
    world.execute(f"UPDATE lanes SET {stop} = clock() WHERE provider = 'safe'")
    send(world.runtime, payment_id)
    assert world.safe.sent == []


def test_a_paused_lane_lets_not_even_its_probe_through(world: World) -> None:
    payment_id = world.pay()
    world.dispatched()
    world.execute("UPDATE lanes SET paused_at = clock(), probe_payment_id = %s WHERE provider = 'safe'", payment_id)
    send(world.runtime, payment_id)
    assert world.safe.sent == []


def test_every_send_is_a_claim_whose_number_is_the_token_and_its_lease_the_deadline_and_a_margin(world: World) -> None:
    payment_id = world.settled("safe", AGAIN, AGAIN)
    world.advance(10)
    world.run()
    rows = world.rows(
        "SELECT number, extract(epoch FROM lease_until - started_at)::int AS s FROM attempts ORDER BY number"
    )
    assert [(row["number"], row["s"]) for row in rows] == [(1, 60), (2, 60)]
    assert world.payment(payment_id)["attempts"] == 2


def test_every_resend_sends_the_same_bytes_and_their_hash_is_kept_with_each_attempt(world: World) -> None:
    payment_id = world.settled("safe", AGAIN, NOT_SENT, AGAIN, OK)
    for _ in range(3):
        world.advance(1000)
        world.run()
    assert world.state(payment_id) == "succeeded"
    bodies = world.safe.bodies(payment_id)
    assert len(bodies) == 4
    assert len(set(bodies)) == 1
    hashes = {bytes(row["body_sha256"]) for row in world.rows("SELECT body_sha256 FROM attempts")}
    assert hashes == {hashlib.sha256(bodies[0]).digest()}


@pytest.mark.parametrize("change", ["body = 'x', body_sha256 = sha256('x')", "path = '/other'"])
def test_the_database_refuses_another_request_after_the_first_claim(world: World, change: str) -> None:
    payment_id = world.settled("safe", AGAIN)
    with pytest.raises(Exception, match="may not change like this"):
        world.execute(f"UPDATE payments SET {change} WHERE id = %s", payment_id)


def test_the_database_refuses_a_body_that_its_hash_does_not_prove(world: World) -> None:
    payment_id = world.pay()
    with pytest.raises(Exception, match="violates check constraint"):
        world.execute("UPDATE payments SET body = 'other' WHERE id = %s", payment_id)


@pytest.mark.parametrize("column", ["amount_minor = 1", "currency = 'EUR'", "sent_reference = 'x'", "source = 'x'"])
def test_the_database_refuses_to_change_what_a_payment_is(world: World, column: str) -> None:
    payment_id = world.pay()
    with pytest.raises(Exception, match="may not change like this"):
        world.execute(f"UPDATE payments SET {column} WHERE id = %s", payment_id)


def test_a_claim_that_took_too_long_is_not_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 105.5])
    monkeypatch.setattr(send_module, "boot_time_s", lambda: next(times))
    payment_id = world.settled("careful", OK)
    assert world.careful.sent == []
    assert world.state(payment_id) == "waiting"
    payment = world.payment(payment_id)
    assert (payment["in_doubt"], payment["possibly_sent"]) == (False, False)
    assert world.attempt(payment_id)["meaning"] == "not_sent"


def test_a_claim_in_time_is_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 104.9, 105.0])  # claimed, ready, answered
    monkeypatch.setattr(send_module, "boot_time_s", lambda: next(times))
    world.settled("careful", OK)
    assert len(world.careful.sent) == 1


def test_a_login_that_takes_too_long_uses_the_claim_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(send_module, "boot_time_s", lambda: now[0])

    def slow_login() -> Auth:
        now[0] = 6.0
        return Auth()

    world.careful.auths.append(slow_login)
    payment_id = world.settled("careful", OK)
    assert world.careful.sent == []
    assert world.state(payment_id) == "waiting"


def test_a_login_that_is_not_to_be_had_is_not_sent(world: World) -> None:
    world.careful.auths.append(LoginUnavailable("the login met a time-out"))
    payment_id = world.settled("careful")
    assert world.state(payment_id) == "waiting"
    assert world.payment(payment_id)["possibly_sent"] is False
    assert world.lane("careful")["failures"] == 1


def test_without_a_sign_of_life_nothing_is_claimed_that_is_not_safe_to_resend(world: World) -> None:
    careful, safe = world.pay("careful"), world.pay("safe")
    world.dispatched("careful")
    world.dispatched("safe")
    world.die()
    send(world.runtime, careful)
    send(world.runtime, safe)
    assert world.careful.sent == []
    assert len(world.safe.sent) == 1


def test_a_broken_sign_of_life_is_taken_again_under_the_same_key(own_world: World) -> None:
    world = own_world
    life = SignOfLife(world.url, world.runtime.seen, every_s=0.05)
    assert life.wait(120)
    until(lambda: world.value("SELECT worker_alive(%s)", life.key), True)
    find = """SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'advisory' AND datname = current_database()
            AND (classid::bigint << 32 | objid::bigint) = %s"""
    assert world.value(find, life.key) is True
    until(lambda: world.value("SELECT worker_alive(%s)", life.key), True)
    life.end()
    until(lambda: world.value("SELECT worker_alive(%s)", life.key), False)


def test_the_books_are_read_again_before_a_refund_that_was_not_sent(world: World) -> None:
    settle = world.document("careful")
    world.accept(settle)
    world.run("careful")
    refund = world.pay("careful", refund_of=settle["intent_id"])
    assert release_refunds(world.runtime) == 1
    world.careful.answers.extend([NOT_SENT, OK])
    world.careful.baselines.extend([{"paid": "100.00"}, {"paid": "200.00"}])
    world.run("careful")
    assert world.state(refund) == "waiting"
    world.advance(10)
    world.run("careful")
    assert world.state(refund) == "succeeded"
    assert world.payment(refund)["baseline"] == {"paid": "200.00"}


def test_without_the_books_before_it_a_refund_is_not_sent(world: World) -> None:
    settle = world.document("careful")
    world.accept(settle)
    world.run("careful")
    refund = world.pay("careful", refund_of=settle["intent_id"])
    assert release_refunds(world.runtime) == 1
    world.careful.baselines.append(lambda: None)
    world.run("careful")
    assert len(world.careful.sent) == 1
    assert world.state(refund) == "waiting"


def test_reading_the_books_renews_the_lease_of_payment_and_attempt_alike(world: World) -> None:
    settle = world.document("careful")
    world.accept(settle)
    world.run("careful")
    refund = world.pay("careful", refund_of=settle["intent_id"])
    assert release_refunds(world.runtime) == 1
    world.dispatched("careful")
    with world.runtime.database.connection() as connection:
        claim = send_store.claim(
            connection, refund, world.runtime.worker_key, world.runtime.limits, seen=world.runtime.seen
        )
        assert claim is not None
        world.advance(30)
        assert send_store.save_baseline(connection, claim, {}, 60)
        assert world.payment(refund)["due_at"] == world.attempt(refund)["lease_until"]
        world.advance(61)
        assert not send_store.save_baseline(connection, claim, {}, 60)


def test_a_lane_that_stops_between_dispatch_and_claim_uses_up_no_attempt(world: World) -> None:
    payment_id = world.pay()
    world.dispatched()
    with world.runtime.database.connection() as connection:
        lanes.pause(connection, "safe", "ann")
        send(world.runtime, payment_id)
        lanes.resume(connection, "safe")
    world.advance(61)
    world.run()
    assert world.payment(payment_id)["attempts"] == 1
    assert world.state(payment_id) == "succeeded"

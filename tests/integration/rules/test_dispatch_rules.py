"""dispatch: what goes out, how much of it, and when."""

from collections.abc import Callable

import pytest

from shared import lanes
from shared.messaging import tasks
from shared.payments.accept import accept
from shared.payments.check import check
from shared.payments.dispatch import Looked, dispatch
from shared.payments.send import send
from shared.payments.store import release as release_store
from shared.payments.store import send as send_store
from shared.settings.sections import ProviderSettings
from tests.support.flow import ABSENT, AGAIN, DOWN, HALT, LOOK, NO, OK, World, id_in, running_world, together

ON = "http://127.0.0.1:1"


def many(world: World, count: int, provider: str = "safe", **fields: object) -> list[int]:
    documents = [world.document(provider, **fields) for _ in range(count)]
    assert world.accept(*documents) == count
    return [world.id_of(document) for document in documents]


def test_what_is_dispatched_and_not_claimed_stays_within_in_flight_and_is_refilled_at_half(rules_url: str) -> None:
    with running_world(rules_url, safe=ProviderSettings(base_url=ON, in_flight=4)) as world:
        ids = many(world, 8)
        assert world.dispatched() == ids[:4]
        send(world.runtime, ids[0])
        assert world.dispatched() == []
        send(world.runtime, ids[1])
        assert world.dispatched() == ids[4:6]


def test_no_more_payments_are_on_the_wire_than_the_fleet_may_have(rules_url: str) -> None:
    with running_world(rules_url, safe=ProviderSettings(base_url=ON, on_the_wire=3)) as world:
        ids = many(world, 8)
        assert world.dispatched() == ids[:3]
        assert world.dispatched() == []
        world.safe.answers.append(lambda: (world.dispatched(), AGAIN)[1])
        send(world.runtime, ids[0])
        assert world.state(ids[3]) == "accepted", "while one is on the wire nothing takes its place"
        assert world.dispatched() == [ids[3]]
        send(world.runtime, ids[1])
        send(world.runtime, ids[2])
        assert world.dispatched() == ids[4:6]


def test_a_claim_whose_lease_is_over_is_on_no_wire(rules_url: str) -> None:
    with running_world(rules_url, safe=ProviderSettings(base_url=ON, on_the_wire=1)) as world:
        ids = many(world, 2)
        assert world.dispatched() == ids[:1]
        runtime = world.runtime
        with runtime.database.connection() as connection:  # and its process dies
            assert send_store.claim(connection, ids[0], runtime.worker_key, runtime.limits, seen=runtime.seen)
        assert world.dispatched() == []
        world.advance(world.runtime.limits.lease_s + 1)
        assert world.dispatched() == [ids[1]]


def test_a_check_is_on_the_wire_until_its_verdict_and_with_what_it_sends(rules_url: str) -> None:
    with running_world(rules_url, careful=ProviderSettings(base_url=ON, on_the_wire=1)) as world:
        first = world.settled("careful", LOOK)
        world.advance(200)
        assert world.dispatched("careful") == [first]
        second = world.pay("careful")
        seen = list[list[int]]()

        def meanwhile(found: object) -> Callable[[], object]:
            def step() -> object:
                seen.append(world.dispatched("careful"))
                return found

            return step

        world.careful.verdicts.append(meanwhile(ABSENT))
        world.careful.answers.append(meanwhile(OK))
        check(world.runtime, *world.named(first))  # type: ignore[misc]
        assert world.state(first) == "succeeded"
        assert seen == [[], []]
        assert world.dispatched("careful") == [second]


def test_a_check_that_waits_on_its_rung_is_on_no_wire(rules_url: str) -> None:
    with running_world(rules_url, careful=ProviderSettings(base_url=ON, on_the_wire=1)) as world:
        first = world.settled("careful", LOOK)
        world.run("careful")  # inconclusive
        assert world.state(first) == "unknown"
        second = world.pay("careful")
        assert world.dispatched("careful") == [second]


def test_nothing_is_published_to_a_queue_longer_than_in_flight(rules_url: str) -> None:
    with running_world(rules_url, safe=ProviderSettings(base_url=ON, in_flight=3)) as world:
        ids = many(world, 2)
        assert world.dispatched(queued=4) == []
        assert [world.state(i) for i in ids] == ["accepted"] * 2
        assert world.dispatched(queued=3) == ids


def test_the_rate_is_a_bucket_that_a_silence_fills_by_little(rules_url: str) -> None:
    with running_world(rules_url, safe=ProviderSettings(base_url=ON, rate_per_s=40)) as world:
        many(world, 20)
        world.hold_clock()
        world.execute("UPDATE lanes SET rate_at = clock()")
        world.advance(3600)
        assert len(world.dispatched()) == 4  # of 0.08 s, and one; not of an hour
        assert len(world.dispatched()) == 0
        world.advance(0.06)
        assert len(world.dispatched()) == 2
        world.advance(0.03)
        assert len(world.dispatched()) == 1


def test_a_slow_rate_lets_one_payment_through_at_a_time(rules_url: str) -> None:
    with running_world(rules_url, safe=ProviderSettings(base_url=ON, rate_per_s=0.1)) as world:
        many(world, 3)
        world.hold_clock()
        world.advance(3600)
        assert len(world.dispatched()) == 1
        world.advance(10)
        assert len(world.dispatched()) == 0  # nor one at the other end of ten seconds
        world.advance(0.3)
        assert len(world.dispatched()) == 1


def test_two_dispatchers_at_once_never_dispatch_one_payment_twice(rules_url: str) -> None:
    with running_world(rules_url, safe=ProviderSettings(base_url=ON, in_flight=40)) as world:
        ids = many(world, 120)
        other = world.another()
        found: list[int] = []
        for _ in range(6):
            for looked in together(
                lambda: dispatch(world.runtime, "safe", lambda: 0), lambda: dispatch(other, "safe", lambda: 0)
            ):
                taken = [id_in(name) for _, some in looked.messages for name in some]
                found += taken
            assert world.value("SELECT count(*) FROM payments WHERE state = 'dispatched'") <= 40
            world.execute("UPDATE payments SET state = 'cancelled' WHERE state = 'dispatched'")
        assert len(found) == len(set(found))
        assert set(found) <= set(ids)
        assert len(found) >= 40


def test_another_dispatcher_at_the_lane_is_not_waited_for(world: World) -> None:
    many(world, 1)
    with world.another().database.transaction() as connection:
        assert lanes.lock(connection, "safe", None) is not None
        assert world.batches() == []
    assert len(world.dispatched()) == 1


def test_an_intake_that_has_not_committed_does_not_hold_the_dispatcher_up(world: World) -> None:
    (payment_id,) = many(world, 1)
    with world.another().database.transaction() as connection:
        connection.execute(
            """INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places,
                paid_at, target, sent_reference, due_at)
            VALUES (999, 'shop', 'open', 'safe', 'settle', 1, 'MNT', 2, now(), '{}', 'r', now())"""
        )
        assert world.dispatched() == [payment_id]


def test_a_dispatcher_that_has_not_committed_does_not_hold_the_intake_up(world: World) -> None:
    with world.another().database.transaction() as connection:
        lanes.lock(connection, "safe", None)
        with world.runtime.database.connection() as mine:
            mine.execute("SET lock_timeout = '2s'")
        assert accept(world.runtime, [world.entry(world.document())]) == 1


def test_an_expired_dispatch_lease_is_dispatched_again_and_not_before(world: World) -> None:
    payment_id = world.pay()
    assert world.dispatched() == [payment_id]
    world.advance(59)
    assert world.dispatched() == []
    world.advance(2)
    assert world.dispatched() == [payment_id]
    assert world.payment(payment_id)["attempts"] == 0


def test_payments_with_one_exclusive_key_go_one_at_a_time_and_the_siblings_are_held(world: World) -> None:
    first, second, third = many(world, 3, target={"invoice": "i", "shared": True})
    assert world.dispatched() == [first]
    for sibling in (second, third):
        held = world.payment(sibling)
        assert (held["state"], held["hold_reason"], held["due_at"]) == ("accepted", "invoice_busy", None)
    send(world.runtime, first)
    assert [world.payment(i)["hold_reason"] for i in (second, third)] == [None, "invoice_busy"]
    assert world.dispatched() == [second]


def test_a_sibling_that_comes_later_is_held_while_the_key_is_taken(world: World) -> None:
    first = world.settled("safe", AGAIN, target={"invoice": "i", "shared": True})
    second = world.pay(target={"invoice": "i", "shared": True})
    assert world.state(first) == "waiting"
    assert world.dispatched() == []
    assert world.payment(second)["hold_reason"] == "invoice_busy"


def test_a_parked_payment_keeps_its_exclusive_key(world: World) -> None:
    first = world.settled("careful", LOOK, target={"invoice": "i", "shared": True})
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL WHERE id = %s", first)
    second = world.pay("careful", target={"invoice": "i", "shared": True})
    world.run("careful")
    with world.runtime.database.connection() as connection:
        assert release_store.free_invoices(connection) == 0
    assert world.payment(second)["hold_reason"] == "invoice_busy"
    world.execute("UPDATE payments SET state = 'refused' WHERE id = %s", first)
    assert world.dispatched("careful") == [second]


def test_a_sibling_held_at_the_very_moment_of_release_is_found_by_the_sweep(world: World) -> None:
    first, second = many(world, 2, target={"invoice": "i", "shared": True})
    world.dispatched()
    send(world.runtime, first)
    # what a dispatcher writes that looked before the first one's success was committed
    world.execute("UPDATE payments SET hold_reason = 'invoice_busy', due_at = NULL WHERE id = %s", second)
    assert world.dispatched() == []
    with world.runtime.database.connection() as connection:
        assert release_store.free_invoices(connection) == 1
    assert world.dispatched() == [second]


def test_the_database_refuses_two_payments_with_one_key_at_the_provider(world: World) -> None:
    many(world, 2, target={"invoice": "i", "shared": True})
    with pytest.raises(Exception, match="payments_exclusive"):
        world.execute("UPDATE payments SET state = 'dispatched', due_at = clock(), hold_reason = NULL")


def test_unknown_payments_are_dispatched_as_checks_and_stay_unknown(world: World) -> None:
    payment_id = world.settled("careful", LOOK)
    assert world.batches("careful") == [(tasks.CHECK, [world.named(payment_id)])]
    assert world.state(payment_id) == "unknown"


def test_a_paused_lane_dispatches_nothing_and_runs_on_when_resumed(world: World) -> None:
    ids = many(world, 3)
    with world.runtime.database.connection() as connection:
        assert lanes.pause(connection, "safe", "ann")
        world.advance(3600)
        assert world.batches() == []
        assert lanes.resume(connection, "safe")
    assert world.lane("safe")["running"]
    assert world.dispatched() == ids


def test_a_payment_dispatched_before_the_pause_is_not_claimed(world: World) -> None:
    payment_id = world.pay()
    world.dispatched()
    with world.runtime.database.connection() as connection:
        lanes.pause(connection, "safe", "ann")
    send(world.runtime, payment_id)
    assert world.safe.sent == []
    assert world.payment(payment_id)["attempts"] == 0


def test_a_halted_lane_lets_one_probe_through_every_60_s_and_its_success_reopens(world: World) -> None:
    halted = world.settled("safe", HALT)
    assert not world.lane("safe")["running"]
    ids = many(world, 3)
    assert world.batches() == []
    world.advance(59)
    assert world.batches() == []
    world.advance(1.1)
    (probe,) = world.dispatched()
    assert world.dispatched() == []
    for payment_id in ids:  # the others are not claimed, even when a message for them turns up
        if payment_id != probe:
            send(world.runtime, payment_id)
    assert len(world.safe.sent) == 1
    world.safe.answers.append(HALT)
    send(world.runtime, probe)
    world.advance(60.1)
    (probe,) = world.dispatched()
    send(world.runtime, probe)
    assert world.lane("safe")["running"]
    assert world.state(probe) == "succeeded"
    world.advance(1000)
    assert {halted, *ids} - {probe} == set(world.dispatched())


def test_resuming_a_halted_lane_probes_at_once_with_one_payment(world: World) -> None:
    world.settled("safe", HALT)
    many(world, 3)
    with world.runtime.database.connection() as connection:
        lanes.resume(connection, "safe")
    assert not world.lane("safe")["running"]
    assert len(world.dispatched()) == 1
    assert world.batches() == []


def test_a_stopped_lane_lets_a_payment_through_rather_than_a_receipt(world: World) -> None:
    world.settled("safe", OK, receipt={"register": ""})
    payment_id = world.pay()
    world.execute("UPDATE lanes SET halted_at = clock(), probe_at = clock() WHERE provider = 'safe'")
    assert world.batches() == [(tasks.SEND, [world.named(payment_id)])]


def test_the_breaker_counts_only_what_says_that_the_provider_is_down(world: World) -> None:
    for answer in [LOOK] * 9 + [AGAIN] + [LOOK] * 9 + [NO]:
        world.settled("safe", answer)
    assert world.lane("safe")["running"]
    assert world.lane("safe")["failures"] == 0


def test_the_breaker_opens_after_ten_in_a_row_and_uses_up_no_attempts(world: World) -> None:
    queued = many(world, 12)
    world.dispatched()
    world.safe.answers.extend([LOOK] * 10)
    for payment_id in queued:
        send(world.runtime, payment_id)
    lane = world.lane("safe")
    assert not lane["running"]
    assert 29 < lane["open_for"].total_seconds() <= 30
    assert [world.payment(i)["attempts"] for i in queued] == [1] * 10 + [0] * 2
    assert world.batches() == []


def test_an_open_breaker_probes_with_one_payment_and_closes_on_its_success(world: World) -> None:
    ids = many(world, 4)
    world.execute("UPDATE lanes SET failures = 10, open_until = clock() + interval '30 s' WHERE provider = 'safe'")
    world.advance(29)
    assert world.batches() == []
    world.advance(2)
    assert world.dispatched() == ids[:1]
    world.safe.answers.append(LOOK)
    send(world.runtime, ids[0])
    assert world.lane("safe")["open_for"].total_seconds() > 29
    assert world.batches() == []
    world.advance(31)
    (probe,) = world.dispatched()
    send(world.runtime, probe)
    assert world.lane("safe")["running"]
    assert world.lane("safe")["failures"] == 0


def test_what_was_dispatched_when_the_lane_stopped_is_dispatched_anew_as_soon_as_it_runs(world: World) -> None:
    """Workers dropped its messages meanwhile: nobody waits for the leases."""
    ids = many(world, 4)
    assert world.dispatched() == ids
    world.execute("UPDATE lanes SET open_until = clock() - interval '1 s' WHERE provider = 'safe'")
    for payment_id in ids:
        send(world.runtime, payment_id)
    assert world.safe.sent == [], "a stopped lane's payments are not claimed"
    world.execute("UPDATE lanes SET open_until = NULL WHERE provider = 'safe'")
    assert world.dispatched() == ids
    assert world.dispatched() == [], "once"
    for payment_id in ids * 2:
        send(world.runtime, payment_id)
    assert [payment_id for payment_id, _ in world.safe.sent] == ids


def test_a_check_that_was_dispatched_when_the_lane_stopped_is_made_as_soon_as_it_runs(world: World) -> None:
    payment_id = world.settled("careful", LOOK)
    (task, ids), *_ = world.batches("careful")
    world.execute("UPDATE lanes SET open_until = clock() - interval '1 s' WHERE provider = 'careful'")
    check(world.runtime, payment_id)
    assert world.careful.doubts == []
    world.execute("UPDATE lanes SET open_until = NULL WHERE provider = 'careful'")
    assert world.batches("careful") == [(task, ids)]


@pytest.mark.parametrize(("verdict", "running"), [(None, True), (DOWN, False)])
def test_a_check_can_be_the_probe(world: World, verdict: object, running: bool) -> None:
    world.settled("careful", LOOK)
    world.execute("UPDATE lanes SET open_until = clock(), failures = 10 WHERE provider = 'careful'")
    if verdict:
        world.careful.verdicts.append(verdict)
    assert len(world.run("careful")) == 1
    assert world.lane("careful")["running"] is running


def test_the_deadline_counts_from_the_first_claim_and_past_it_a_payment_is_parked(world: World) -> None:
    payment_id = world.pay()
    world.advance(1_000_000)  # what waits to be sent first has no deadline
    world.safe.answers.extend([AGAIN] * 2)
    world.run()
    world.advance(259_199)
    world.run()
    assert world.payment(payment_id)["attempts"] == 2
    world.advance(900)
    world.run()
    assert world.state(payment_id) == "parked"
    assert world.payment(payment_id)["detail"].startswith("past its deadline")
    assert world.events(payment_id) == ["accepted", "parked"]
    assert len(world.safe.sent) == 2


def test_a_look_that_does_not_tidy_sends_nothing_past_its_deadline_and_takes_no_lease_back(world: World) -> None:
    late, lost = world.pay(), world.pay()
    world.safe.answers.append(AGAIN)
    world.dispatched()
    send(world.runtime, late)
    world.execute("UPDATE payments SET state = 'sending', attempts = 1 WHERE id = %s", lost)
    world.advance(259_201)
    assert dispatch(world.runtime, "safe", lambda: 0, tidy=False).messages == []
    assert [world.state(late), world.state(lost)] == ["waiting", "sending"]
    assert dispatch(world.runtime, "safe", lambda: 0).messages == []
    assert [world.state(late), world.state(lost)] == ["parked", "waiting"]


def test_the_deadline_stands_still_while_the_lane_is_stopped(world: World) -> None:
    payment_id = world.settled("safe", AGAIN)
    world.advance(200_000)
    with world.runtime.database.connection() as connection:
        lanes.pause(connection, "safe", "ann")
        world.advance(500_000)
        assert world.batches() == []
        assert world.state(payment_id) == "waiting"
        lanes.resume(connection, "safe")
    world.advance(50_000)
    world.safe.answers.append(AGAIN)
    assert world.run() == [payment_id]
    world.advance(10_000)
    world.run()
    assert world.state(payment_id) == "parked"


@pytest.mark.parametrize(
    ("due", "idle", "sizes"),
    [(1, 32, {1}), (32, 32, {1}), (33, 32, {9, 6}), (200, 0, {50}), (10_000, 0, {50}), (3, 0, {1}), (3, -5, {1})],
)
def test_a_message_carries_one_id_while_senders_are_idle_and_up_to_50_as_the_backlog_grows(
    due: int, idle: int, sizes: set[int]
) -> None:
    batches = tasks.split(list(range(due)), idle)
    assert {len(batch) for batch in batches} == sizes
    assert [i for batch in batches for i in batch] == list(range(due))


def test_payments_go_out_in_the_order_in_which_they_are_due(world: World) -> None:
    first = world.settled("safe", AGAIN)
    world.advance(10)
    later = many(world, 2)
    assert world.dispatched() == [first, *later]


def test_a_look_says_whether_there_was_room_for_all_and_whether_another_one_looks(rules_url: str) -> None:
    with running_world(rules_url, safe=ProviderSettings(base_url=ON, in_flight=4)) as world:
        assert dispatch(world.runtime, "safe", lambda: 0) == Looked()
        many(world, 9)
        full = dispatch(world.runtime, "safe", lambda: 5)
        assert (full.messages, full.short) == ([], True), "its queue is longer than IN_FLIGHT"
        for _ in range(2):
            found = dispatch(world.runtime, "safe", lambda: 0)
            assert (len(found.messages), found.short) == (4, True)
            assert dispatch(world.runtime, "safe", lambda: 0) == Looked(short=True), "nobody has claimed them yet"
            world.execute("UPDATE payments SET state = 'cancelled' WHERE state = 'dispatched'")
        last = dispatch(world.runtime, "safe", lambda: 0)
        assert (len(last.messages), last.short) == (1, False)
        with world.runtime.database.transaction() as connection:
            connection.execute("SELECT FROM lanes WHERE provider = 'safe' FOR NO KEY UPDATE")
            assert dispatch(world.another(), "safe", lambda: 0) == Looked(elsewhere=True)

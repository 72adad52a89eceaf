"""Metrics: each family says what is so, as payments move."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from scheduler import job_runs
from scheduler.exporter import page
from scheduler.job_runs import Planned
from shared import lanes
from shared.database import clock, leases, locks
from shared.database import store as whole
from shared.database.engine import driver_url
from shared.database.store import Seen
from shared.events import outbox
from shared.metrics.families import FAMILIES, OPEN_STATES, PREFIX, Sample, of_counted, of_standing
from shared.metrics.risk import below_a_list
from shared.metrics.store.counted import counted
from shared.metrics.store.snapshot import snapshot
from shared.metrics.store.standing import standing
from shared.runtime import SignOfLife
from tests.support.decided import decide
from tests.support.flow import AGAIN, HALT, LOOK, NO, NOT_SENT, OK, UNCLEAR, World

LANES = ("careful", "safe")
# Of a currency with three places.
PARKED = """
INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at, target,
    sent_reference, state, path, body, body_sha256)
VALUES (999, 'shop', 'ord-999', 'careful', 'settle', 3001, 'KWD', 3, now(), '{}', 'made-up', 'parked', '/', 'x',
    sha256('x'))
"""
Told = dict[tuple[str, ...], float]


def told(world: World, **rates: float) -> Told:
    """Every value of the page, by its name without the prefix and the values of its labels."""
    with snapshot(world.runtime.database, 10) as connection:
        read = standing(connection, {lane: rates.get(lane) for lane in LANES})
        samples: list[Sample] = [*of_counted(counted(connection), LANES), *of_standing(read)]
    found: Told = {}
    for family in text_string_to_metric_families(page(samples).decode()):
        name = family.name.removeprefix(PREFIX)
        for sample in family.samples:
            assert sample.name == family.name
            found[name, *(sample.labels[label] for label in FAMILIES[name].labels)] = sample.value
    return found


def states(found: Told, lane: str = "safe") -> dict[str, float]:
    """How many payments of a lane are in each open state that has some."""
    return {state.value: n for state in OPEN_STATES if (n := found["payments", lane, state])}


def risk(found: Told) -> dict[tuple[str, ...], float]:
    return {key[1:]: value for key, value in found.items() if key[0] == "money_at_risk"}


def test_a_payment_is_counted_in_the_state_that_it_is_in_until_it_is_final(world: World) -> None:
    seen: list[Told] = []

    def while_it_is_sent() -> Any:
        seen.append(told(world))
        return AGAIN

    assert states(told(world)) == {}
    payment_id = world.pay("safe", amount="12.34")
    found = told(world)
    assert (states(found), found["lane_due_payments", "safe"], risk(found)) == ({"accepted": 1}, 1, {})
    assert states(found, "careful") == {}
    world.safe.answers.append(while_it_is_sent)
    world.dispatched()
    found = told(world)
    assert (states(found), found["lane_due_payments", "safe"], risk(found)) == ({"dispatched": 1}, 0, {})
    world.advance(100)
    world.run()
    assert (states(seen[0]), risk(seen[0])) == ({"sending": 1}, {("safe", "MNT"): 12.34})
    assert (states(told(world)), risk(told(world))) == ({"waiting": 1}, {})
    world.advance(10_000)
    assert told(world)["lane_due_payments", "safe"] == 1
    world.safe.answers.append(OK)
    world.run()
    assert world.state(payment_id) == "succeeded"
    found = told(world)
    assert (states(found), found["lane_due_payments", "safe"], risk(found)) == ({}, 0, {})


def test_what_may_have_been_applied_is_money_at_risk_until_somebody_knows(world: World) -> None:
    one = world.settled("careful", LOOK, amount="100.00")
    world.settled("careful", LOOK, amount="0.50")
    world.execute(PARKED)
    assert states(told(world), "careful") == {"unknown": 2, "parked": 1}
    assert risk(told(world)) == {("careful", "MNT"): 100.5, ("careful", "KWD"): 3.001}
    world.execute("UPDATE payments SET state = 'parked', due_at = NULL WHERE id = %s", one)
    found = told(world)
    assert states(found, "careful") == {"unknown": 1, "parked": 2}
    assert risk(found)["careful", "MNT"] == 100.5
    decide(world, one, "succeeded", UNCLEAR)
    assert risk(told(world))["careful", "MNT"] == 0.5


def test_what_was_refused_is_counted_no_more(world: World) -> None:
    assert world.state(world.settled("safe", NO)) == "refused"
    assert (states(told(world)), risk(told(world))) == ({}, {})


def test_the_oldest_payment_of_a_state_is_told(world: World) -> None:
    world.pay("safe")
    world.advance(100)
    world.pay("safe")
    assert told(world)["payments_oldest_seconds", "safe", "accepted"] == pytest.approx(100, abs=30)
    assert told(world)["payments_oldest_seconds", "safe", "parked"] == 0


def test_what_is_held_is_counted_by_its_reason_and_is_not_due(world: World) -> None:
    settle = world.document()
    refund = world.document(refund_of=settle["intent_id"], amount="1.00")
    world.accept(settle, refund)
    found = told(world)
    reason = world.payment(world.id_of(refund))["hold_reason"]
    assert {key[1:]: n for key, n in found.items() if key[0] == "payments_held"} == {("safe", reason): 1}
    assert (states(found), found["lane_due_payments", "safe"]) == ({"accepted": 2}, 1)


def test_a_lane_says_why_it_stands_still_and_for_how_long(world: World) -> None:
    def stands(found: Told, lane: str = "safe") -> set[str]:
        return {key[2] for key, value in found.items() if key[:2] == ("lane_stopped", lane) and value}

    assert (stands(told(world)), told(world)["lane_stopped_seconds", "safe"]) == (set(), 0)
    with world.runtime.database.connection() as connection:
        lanes.pause(connection, "safe", "Ann")
    world.advance(50)
    found = told(world)
    assert (stands(found), stands(found, "careful")) == ({"paused"}, set())
    assert found["lane_stopped_seconds", "safe"] == pytest.approx(50, abs=30)
    world.settled("careful", HALT)
    assert stands(told(world), "careful") == {"halted"}
    with world.runtime.database.connection() as connection:
        lanes.resume(connection, "safe")
    for _ in range(world.runtime.settings.breaker.failures):
        assert "open" not in stands(told(world))
        world.settled("safe", NOT_SENT)
    found = told(world)
    assert stands(found) == {"open"}
    assert found["lane_failures", "safe"] == world.runtime.settings.breaker.failures


def test_a_lane_with_a_rate_says_what_it_allows(world: World) -> None:
    assert ("lane_rate_tokens", "safe") not in told(world)
    world.execute("UPDATE lanes SET rate_tokens = 1, rate_at = clock() + interval '1 hour'")
    assert told(world, safe=40)["lane_rate_tokens", "safe"] == 1
    world.execute("UPDATE lanes SET rate_at = clock() - interval '1 hour'")
    assert told(world, safe=40)["lane_rate_tokens", "safe"] == 4.2


def test_follow_ups_that_are_due_are_the_lane_s_too(world: World) -> None:
    world.settled("safe", OK, receipt={"register": "", "email": "a@example.com"})
    assert told(world)["lane_due_follow_ups", "safe"] == 1
    world.run()
    assert told(world)["lane_due_follow_ups", "safe"] == 0


def test_the_outbox_says_how_far_the_relay_is_behind(world: World) -> None:
    world.settled("safe", OK)
    world.advance(70)
    found = told(world)
    assert found["events_pending",] == 2
    assert found["events_pending_oldest_seconds",] == pytest.approx(70, abs=30)
    with world.runtime.database.connection() as connection:
        turn = outbox.begin(connection, 1)
        assert turn is not None
        events = outbox.pending(connection, 50)
        outbox.carried(connection, events, "1-1", turn.number)
    found = told(world)
    assert (found["events_pending",], found["events_pending_oldest_seconds",]) == (0, 0)


def test_what_could_not_be_accepted_and_where_the_books_differ_is_counted(world: World) -> None:
    world.accept(b"no intent", b"nor this")
    assert told(world)["quarantine_entries",] == 2
    for number, closed in enumerate((None, None, "now()")):
        world.execute(
            f"""INSERT INTO discrepancies (category, provider, identity, evidence, resolved_at)
            VALUES ('late', 'safe', %s, '{{}}', {closed or "NULL"})""",
            str(number),
        )
    assert told(world)["discrepancies_open", "safe", "late"] == 2


def test_a_worker_counts_for_the_lanes_that_it_serves_while_it_lives(world: World) -> None:
    assert told(world)["lane_workers", "safe"] == 0
    lives = [SignOfLife(world.url, Seen(), lanes=served) for served in (["safe"], ["careful", "safe"])]
    try:
        assert all(life.wait(60) for life in lives)
        found = told(world)
        assert (found["lane_workers", "safe"], found["lane_workers", "careful"]) == (2, 1)
    finally:
        for life in lives:
            life.end()
    while world.value("SELECT worker_alive(%s)", lives[0].key):  # the server notices the closed connection soon
        pass
    assert told(world)["lane_workers", "safe"] <= 1


def test_a_relay_that_has_the_turn_is_seen(world: World) -> None:
    assert told(world)["relay_active",] == 0
    with world.runtime.database.connection() as connection:
        lease = leases.take(connection, locks.RELAY)
        assert lease is not None
        assert told(world)["relay_active",] == 1
        world.advance(lease.length_s)
        assert told(world)["relay_active",] == 0, "it was killed"
        leases.renew(connection, lease)
        assert told(world)["relay_active",] == 1
        leases.give_back(connection, lease)
        assert told(world)["relay_active",] == 0


def test_a_held_store_and_a_heart_that_stopped_are_told(world: World) -> None:
    world.execute("UPDATE store SET beat_at = clock()")
    world.advance(40)
    found = told(world)
    assert (found["store_held",], found["store_epoch",]) == (0, 0)
    assert found["store_beat_age_seconds",] == pytest.approx(40, abs=30)
    with world.runtime.database.connection() as connection:
        whole.hold(connection, "a test")
    world.execute("UPDATE store SET epoch = 3")
    found = told(world)
    assert (found["store_held",], found["store_epoch",]) == (1, 3)


def test_the_oldest_slot_without_an_end_is_known(world: World) -> None:
    with world.runtime.database.connection() as connection:
        now = clock.now(connection)
        slots = [now - timedelta(hours=n) for n in (1, 2, 3)]
        job_runs.plan(connection, [Planned("retention", slot, skipped=False) for slot in slots])
        connection.execute("UPDATE job_runs SET state = 'done', due_at = NULL WHERE slot = %s", (slots[2],))
        assert job_runs.unfinished(connection) == {"retention": slots[1]}


def test_what_is_read_is_of_one_moment_and_nothing_can_be_written(world: World) -> None:
    with snapshot(world.runtime.database, 10) as connection:
        assert counted(connection).payments == []
        world.pay("safe")
        assert counted(connection).payments == []
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("UPDATE lanes SET failures = 7")
    assert len(told(world)) > 0


def test_a_statement_of_a_snapshot_takes_no_longer_than_it_may(world: World) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled), snapshot(world.runtime.database, 0.1) as connection:
        connection.execute("SELECT pg_sleep(60)")
    with snapshot(world.runtime.database, 10) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == {"statement_timeout": "10s"}
    with world.runtime.database.connection() as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == {"statement_timeout": "30s"}


def test_a_job_whose_every_slot_is_given_up_is_late_since_the_first_of_them(world: World) -> None:
    """Each is over when the next one comes, and none was done: it stands as late until one is."""
    now = world.value("SELECT clock()")
    slots = [now - timedelta(minutes=minutes) for minutes in (100, 90, 80, 10)]
    for slot, state in zip(slots, ("failed", "done", "failed", "failed"), strict=True):
        world.execute("INSERT INTO job_runs (job, slot, state) VALUES ('retention', %s, %s)", slot, state)
    database = world.runtime.database
    with database.connection() as connection:
        assert job_runs.unfinished(connection) == {"retention": slots[2]}
    world.execute("UPDATE job_runs SET state = 'done' WHERE slot = %s", slots[3])
    with database.connection() as connection:
        assert job_runs.unfinished(connection) == {}


def test_what_cannot_be_summed_in_time_keeps_nobody_from_a_list(world: World, rules_url: str) -> None:
    with (
        psycopg.connect(driver_url(rules_url)) as other,
        world.runtime.database.connection() as connection,
    ):
        other.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
        said = below_a_list(connection, None, most_s=1)
        other.rollback()
        assert said == "money at risk: not summed within 1 s; Prometheus has it as settlepipe_money_at_risk"
        assert connection.execute("SHOW statement_timeout").fetchone() == {"statement_timeout": "30s"}
        assert below_a_list(connection, None) is None, "nothing is in doubt"

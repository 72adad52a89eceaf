"""Periodic jobs on a real database with a movable clock: each slot completed once, started at least once."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any, cast

import psycopg
import pytest

from scheduler import runs
from scheduler.schedule import CatchUp, Job
from scheduler.slots import Daily, Every, latest
from shared.providers.base import RefreshFailed
from shared.runtime import Runtime
from shared.telemetry import counters
from tests.support.flow import World, together

DAY_S = 86_400.0


def counted(outcome: str) -> float:
    """How many runs this process counted that ended so."""
    samples = (sample for family in counters.JOB_RUNS.collect() for sample in family.samples)
    return sum(one.value for one in samples if one.labels.get("outcome") == outcome)


class Work:
    """A job's work that remembers its runs and does what the script says."""

    def __init__(self) -> None:
        self.done = 0
        self.slots: list[datetime] = []
        self.script: list[Callable[[], Any] | BaseException] = []

    def __call__(self, _runtime: Runtime, slot: datetime) -> str:
        self.done += 1
        self.slots.append(slot)
        step = self.script.pop(0) if self.script else None
        if isinstance(step, BaseException):
            raise step
        if step is not None:
            step()
        return "made-up outcome"


def job(world: World, work: Work, **fields: Any) -> Job:
    """A daily job whose newest slot was an hour ago."""
    now: datetime = world.value("SELECT clock()")
    at = time((now.hour - 1) % 24, now.minute, now.second)
    row = Job("made-up", Daily(at), "a test", CatchUp.LATEST, 60.0, work)
    return replace(row, **fields)


def tick(world: World, *table: Job) -> list[int]:
    return [run_id for run_id, _ in runs.tick(world.runtime, table)]


def turn(world: World, *table: Job) -> int:
    """One tick, and its messages delivered at once; how many runs."""
    ids = tick(world, *table)
    for run_id in ids:
        runs.run(world.runtime, run_id, table)
    return len(ids)


def states(world: World) -> list[str]:
    return [row["state"] for row in world.rows("SELECT state FROM job_runs ORDER BY job, slot")]


def test_a_job_never_seen_before_runs_its_newest_slot_once(world: World) -> None:
    work = Work()
    table = job(world, work)
    assert [turn(world, table) for _ in range(3)] == [1, 0, 0]
    assert (work.done, states(world)) == (1, ["done"])
    (row,) = world.rows("SELECT outcome, attempts, finished_at >= started_at AS timed FROM job_runs")
    assert row == {"outcome": "made-up outcome", "attempts": 1, "timed": True}


def test_each_day_has_one_slot_however_many_ticks(world: World) -> None:
    work = Work()
    table = job(world, work)
    for _ in range(5):
        turn(world, table)
        turn(world, table)
        world.advance(DAY_S)
    assert (work.done, states(world)) == (5, ["done"] * 5)


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        (CatchUp.EACH, ["done"] * 5),
        (CatchUp.LATEST, ["done", "skipped", "skipped", "skipped", "done"]),
        (CatchUp.NONE, ["skipped"] * 5),
    ],
)
def test_slots_missed_while_everything_was_down_are_made_up_for_as_the_rule_says(
    world: World, catch_up: CatchUp, expected: list[str]
) -> None:
    work = Work()
    table = job(world, work, catch_up=catch_up)
    turn(world, table)
    world.advance(4 * DAY_S)
    while turn(world, table):
        pass
    assert states(world) == expected
    assert work.done == expected.count("done")
    slots = [row["slot"] for row in world.rows("SELECT slot FROM job_runs WHERE state = 'done' ORDER BY slot")]
    assert work.slots == slots, "each run is told whose slot it makes up for"


def test_a_job_without_catch_up_runs_a_slot_that_is_on_time(world: World) -> None:
    work = Work()
    now: datetime = world.value("SELECT clock()")
    table = job(world, work, catch_up=CatchUp.NONE, when=Daily(now.astimezone(UTC).time().replace(microsecond=0)))
    assert (turn(world, table), work.done) == (1, 1)


def test_two_ticks_at_once_claim_a_slot_once(world: World) -> None:
    work = Work()
    table = job(world, work)
    other = world.another()
    claimed = together(lambda: runs.tick(world.runtime, [table]), lambda: runs.tick(other, [table]))
    assert sorted(map(len, claimed)) == [0, 1]


def test_a_message_that_comes_twice_or_late_does_nothing(world: World) -> None:
    work = Work()
    table = job(world, work)
    (run_id,) = tick(world, table)
    world.advance(runs.LEASE_S + 1)
    runs.run(world.runtime, run_id, [table])
    assert work.done == 0, "its lease was over"
    assert tick(world, table) == [run_id], "it is taken back and claimed anew"
    runs.run(world.runtime, run_id, [table])
    runs.run(world.runtime, run_id, [table])
    assert (work.done, states(world)) == (1, ["done"])


def test_a_job_whose_runner_was_killed_is_started_again(world: World) -> None:
    work = Work()
    table = job(world, work)
    (run_id,) = tick(world, table)
    world.execute("UPDATE job_runs SET state = 'running', attempts = 1, started_at = clock(), due_at = clock() + '30s'")
    assert turn(world, table) == 0
    world.advance(31)
    before = counted("lost")
    assert tick(world, table) == [run_id]
    assert counted("lost") == before + 1
    runs.run(world.runtime, run_id, [table])
    assert world.rows("SELECT state, attempts FROM job_runs") == [{"state": "done", "attempts": 2}]


def test_the_end_of_a_run_that_was_taken_for_lost_is_not_recorded(world: World) -> None:
    work, late = Work(), Work()
    table = job(world, work)

    def lose_it() -> None:
        world.advance(runs.LEASE_S + 1)
        (run_id,) = tick(world, table)
        runs.run(world.another(), run_id, [replace(table, do=late)])

    work.script.append(lose_it)
    before = counted("done")
    assert turn(world, table) == 1
    assert counted("done") == before + 1, "one end was recorded"
    assert (work.done, late.done) == (1, 1)
    assert world.rows("SELECT state, attempts FROM job_runs") == [{"state": "done", "attempts": 2}]


def test_a_failure_is_tried_again_and_told(world: World) -> None:
    work = Work()
    work.script = [RefreshFailed("page 3 came with HTTP 500"), ValueError("a made-up secret")]
    table = job(world, work)
    turn(world, table)
    assert world.value("SELECT outcome FROM job_runs") == "page 3 came with HTTP 500"
    world.advance(120)
    turn(world, table)
    assert world.value("SELECT outcome FROM job_runs") == "it failed: ValueError", "what a defect says may be secret"
    world.advance(240)
    turn(world, table)
    assert world.rows("SELECT state, attempts FROM job_runs") == [{"state": "done", "attempts": 3}]


def test_a_slot_that_never_worked_is_given_up_for_the_next_one(world: World) -> None:
    work = Work()
    work.script = [RefreshFailed("no answer")]
    table = job(world, work)
    before = counted("failed"), counted("given_up")
    turn(world, table)
    world.advance(DAY_S)
    while turn(world, table):
        pass
    assert states(world) == ["failed", "done"]
    assert (counted("failed"), counted("given_up")) == (before[0] + 1, before[1] + 1)
    assert "no answer" in world.value("SELECT outcome FROM job_runs WHERE state = 'failed'")


def test_where_each_slot_counts_a_failed_one_is_not_given_up(world: World) -> None:
    work = Work()
    work.script = [RefreshFailed("no answer")]
    table = job(world, work, catch_up=CatchUp.EACH)
    turn(world, table)
    world.advance(DAY_S)
    while turn(world, table):
        pass
    assert (states(world), work.done) == (["done", "done"], 3)


def test_a_long_run_renews_its_lease_until_its_deadline(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_BEAT_S", 0.01)
    work, renewed = Work(), threading.Event()

    def wait_for_a_renewal() -> None:
        before = world.value("SELECT due_at FROM job_runs")
        while world.value("SELECT due_at FROM job_runs") == before:
            pass
        renewed.set()

    work.script.append(wait_for_a_renewal)
    assert turn(world, job(world, work)) == 1
    assert renewed.is_set()
    assert states(world) == ["done"]


def test_a_run_past_its_deadline_loses_its_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_BEAT_S", 0.01)
    work = Work()
    claimed_again: list[int] = []

    def outlive_the_deadline() -> None:
        while any(thread.name == "job-lease" for thread in threading.enumerate()):
            pass
        world.advance(runs.LEASE_S + 1)
        claimed_again.extend(tick(world, table))

    work.script.append(outlive_the_deadline)
    table = job(world, work, deadline_s=0.05)
    turn(world, table)
    assert len(claimed_again) == 1
    assert states(world) == ["dispatched"], "its own end came too late to count"


def test_a_job_of_a_provider_that_was_switched_off_waits(world: World) -> None:
    work = Work()
    table = job(world, work)
    (run_id,) = tick(world, table)
    runs.run(world.runtime, run_id, [])
    assert (work.done, states(world)) == (0, ["waiting"])
    assert tick(world) == []


def test_old_runs_are_forgotten_but_for_the_newest(world: World) -> None:
    from scheduler import job_runs as store  # noqa: PLC0415

    work = Work()
    table = job(world, work)
    for _ in range(3):
        turn(world, table)
        world.advance(DAY_S)
    world.advance(500 * DAY_S)
    with world.runtime.database.connection() as connection:
        assert store.prune(connection, 400) == 2
    assert states(world) == ["done"]


def test_the_state_machine_refuses_a_lease_on_what_ended(world: World) -> None:
    turn(world, job(world, Work()))
    with pytest.raises(psycopg.errors.CheckViolation):
        world.execute("UPDATE job_runs SET due_at = clock()")


AHEAD_S = 40 * DAY_S


def each(world: World, **tables: tuple[CatchUp, float]) -> tuple[Job, ...]:
    """Jobs that remember their slots, by name: their rule, and seconds between slots."""
    return tuple(
        Job(name, Every(int(period_s)), "a test", rule, 60.0, Work()) for name, (rule, period_s) in tables.items()
    )


@pytest.mark.parametrize("rule", list(CatchUp))
@pytest.mark.parametrize("runs_ahead", [False, True], ids=["only planned", "runs too"])
@pytest.mark.parametrize("period_s", [3600.0, DAY_S])
def test_a_clock_that_ran_ahead_for_one_tick_stops_no_job(
    world: World, rule: CatchUp, runs_ahead: bool, period_s: float
) -> None:
    (table,) = each(world, job=(rule, period_s))
    work = cast(Work, table.do)
    to_slot(world, period_s)
    turn(world, table)
    world.advance(AHEAD_S)
    turn(world, table) if runs_ahead else tick(world, table)
    world.advance(-AHEAD_S)
    work.slots.clear()
    expected = []
    for _ in range(4):
        for _ in range(3):  # in between nothing is due
            world.advance(62)
            turn(world, table)
        to_slot(world, period_s)
        expected.append(latest(table.when, world.value("SELECT clock()")))
        turn(world, table)
        turn(world, table)
    assert work.slots == expected, "every slot once, in its time"
    assert world.value("SELECT count(*) FROM job_runs WHERE slot > clock()") == 0


def to_slot(world: World, period_s: float) -> None:
    """On to a second behind the next slot."""
    world.advance(period_s + 1 - world.value("SELECT extract(epoch FROM clock())::float8") % period_s)


def test_a_slot_that_one_of_a_time_to_come_made_up_for_is_run_after_all(world: World) -> None:
    (table,) = each(world, job=(CatchUp.LATEST, DAY_S))
    work = cast(Work, table.do)
    work.script = [RefreshFailed("no answer")]
    to_slot(world, DAY_S)
    turn(world, table)
    (failed,) = work.slots
    world.advance(AHEAD_S)
    tick(world, table)
    world.advance(-AHEAD_S)
    for _ in range(3):
        world.advance(62)
        turn(world, table)
    assert work.slots == [failed, failed]
    assert world.rows("SELECT slot, state FROM job_runs") == [{"slot": failed, "state": "done"}]


@pytest.mark.parametrize("state", ["dispatched", "running", "waiting"])
def test_a_run_with_a_lease_or_a_wait_from_a_time_to_come_is_taken_back(world: World, state: str) -> None:
    (table,) = each(world, job=(CatchUp.EACH, DAY_S))
    (run_id,) = tick(world, table)
    world.execute(
        "UPDATE job_runs SET state = %s, attempts = 1, started_at = clock(), due_at = clock() + interval '40 days'",
        state,
    )
    for _ in range(3):
        world.advance(62)
        turn(world, table)
    assert world.rows("SELECT id, state FROM job_runs") == [{"id": run_id, "state": "done"}]


def test_a_clock_that_goes_back_for_one_tick_does_nothing_twice(world: World) -> None:
    table = each(world, each=(CatchUp.EACH, DAY_S), latest=(CatchUp.LATEST, 3600.0))
    to_slot(world, DAY_S)
    for _ in range(3):
        while turn(world, *table):
            pass
        world.advance(DAY_S)
    while turn(world, *table):
        pass
    before = [len(cast(Work, job.do).slots) for job in table]
    kept = world.value("SELECT count(*) FROM job_runs")
    world.advance(-AHEAD_S)
    tick(world, *table)
    world.advance(AHEAD_S)
    for _ in range(3):
        world.advance(62)
        turn(world, *table)
    recent = world.value("SELECT count(*) FROM job_runs WHERE slot > clock() - interval '30 days'")
    assert (recent, [len(cast(Work, job.do).slots) for job in table]) == (kept, before)


def test_a_job_that_can_not_be_planned_stops_no_other(world: World) -> None:
    good, bad = Work(), Work()
    table = (job(world, bad, name="bad", when=Daily(time(1), "No/Where")), job(world, good, name="good"))
    assert turn(world, *table) == 1
    assert (good.done, bad.done) == (1, 0)

"""What stands still is raised once, whoever judges, and cleared once, when it ends."""

from typing import Any

import pytest

from scheduler import job_runs, judging
from scheduler.job_runs import Planned
from scheduler.schedule import jobs_of
from shared.alerts.keep import keep, stood
from shared.alerts.views import listed
from shared.database import clock, locks
from shared.database.engine import Row
from shared.telemetry.alerts import Alert
from tests.support.alerts import raised
from tests.support.flow import World

PARKED = (Alert.PAYMENT_PARKED, "safe")
LATE = (Alert.JOB_LATE, "tokens")


def kept(world: World, *found: tuple[Alert, str], n: int = 1, before: Row | None = None) -> None:
    database = world.runtime.database
    keep(database, world.runtime.seen, {about: {"n": n} for about in found}, 400, before or stood(database))


def rows(world: World, *, everything: bool = False) -> list[Any]:
    with world.runtime.database.connection() as connection:
        return listed(connection, everything=everything)


def standing(world: World) -> list[tuple[str, str]]:
    return [(row["name"], row["subject"]) for row in rows(world)]


def test_what_stands_is_raised_once_and_its_figures_follow(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    kept(world, PARKED)
    world.advance(60)
    kept(world, PARKED, n=3)
    assert raised(capsys, "payment_parked") == 1
    (row,) = rows(world)
    assert row["figures"] == {"n": 3}
    assert row["seen_at"] > row["raised_at"]


def test_who_looked_before_another_one_wrote_raises_and_clears_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    of_old = stood(world.runtime.database)
    kept(world, PARKED)
    kept(world, before=of_old)
    assert standing(world) == [PARKED], "it was not counted yet then"
    before = stood(world.runtime.database)
    kept(world)
    for old in (before, of_old):
        kept(world, PARKED, before=old)
        assert standing(world) == [], "it had ended meanwhile"
    assert raised(capsys, "payment_parked") == 1


def test_what_ends_is_cleared_once_and_raised_anew_when_it_comes_again(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(world, PARKED, LATE)
    kept(world, LATE)
    assert standing(world) == [LATE]
    assert raised(capsys, "payment_parked") == 1
    world.advance(60)
    kept(world, LATE)
    cleared = {row["cleared_at"] for row in rows(world, everything=True) if row["name"] == "payment_parked"}
    kept(world, LATE, PARKED)
    assert raised(capsys, "payment_parked") == 1
    assert cleared < {row["cleared_at"] for row in rows(world, everything=True)}, "it was cleared once"
    assert standing(world) == [LATE, PARKED]
    assert [row["cleared_at"] is None for row in rows(world, everything=True)] == [False, True, True]


def test_nothing_found_clears_all(world: World) -> None:
    kept(world, PARKED, LATE)
    kept(world)
    assert standing(world) == []


def test_what_a_newer_release_raised_is_not_ours_to_clear(world: World) -> None:
    kept(world, PARKED)
    world.execute("INSERT INTO alerts (name, subject, figures) VALUES ('of_a_newer_release', '', '{}')")
    kept(world)
    assert standing(world) == [("of_a_newer_release", "")]


def test_one_process_at_a_time_writes(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    with world.connection.transaction():
        world.rows("SELECT pg_advisory_xact_lock(%s)", locks.ALERTS)
        kept(world, PARKED)
    assert standing(world) == []
    assert raised(capsys, "payment_parked") == 0


def test_a_held_store_is_left_as_it_is(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    kept(world, LATE)
    world.execute("UPDATE store SET held_at = clock(), held_reason = 'made up'")
    for _ in range(2):
        kept(world, PARKED)
    assert standing(world) == [LATE, (Alert.STORE_HELD, "")], "and that it is held stands beside it"
    assert raised(capsys, "payment_parked") == raised(capsys, "store_held") == 0
    world.execute("UPDATE store SET held_at = NULL, held_reason = NULL")
    kept(world, LATE)
    assert standing(world) == [LATE]


def test_cleared_ones_are_forgotten_when_they_are_old(world: World) -> None:
    kept(world, PARKED, LATE)
    kept(world, LATE)
    world.advance(400 * 86_400 + 60)
    kept(world, LATE)
    assert [row["name"] for row in rows(world, everything=True)] == ["job_late"]


def test_a_parked_payment_is_told_and_cleared_when_it_is_decided(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.execute(
        """INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at,
            target, sent_reference, state, path, body, body_sha256)
        VALUES (999, 'shop', 'ord-999', 'careful', 'settle', 3001, 'KWD', 3, now(), '{"account": "0007"}', 'made-up',
            'parked', '/', 'x', sha256('x'))"""
    )
    judging.once(world.runtime, world.runtime.database, [])
    said = "".join(capsys.readouterr())
    assert said.count("payment_parked") == 1
    assert "0007" not in said
    (row,) = rows(world)
    assert (row["subject"], row["figures"]["payments"], row["figures"]["money"]) == ("careful", 1, {"KWD": "3.001"})
    world.execute("UPDATE payments SET state = 'refused', finished_at = clock() WHERE id = 999")
    judging.once(world.runtime, world.runtime.database, [])
    assert standing(world) == []


def test_a_job_is_late_when_a_slot_passed_since_it_was_planned_first(world: World) -> None:
    table = jobs_of([])
    judging.once(world.runtime, world.runtime.database, table)
    assert standing(world) == [], "the installation is new"
    with world.runtime.database.connection() as connection:
        now = clock.now(connection)
        job_runs.plan(connection, [Planned(table[0].name, now, skipped=True)])
    judging.once(world.runtime, world.runtime.database, table)
    assert standing(world) == []
    world.advance(32 * 86_400)
    judging.once(world.runtime, world.runtime.database, table)
    assert standing(world) == [("job_late", table[0].name)]

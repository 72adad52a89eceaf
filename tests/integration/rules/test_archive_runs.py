"""Many payments: batches, several runs at once, and runs that are killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from shared.archive.retire import retire
from shared.database.engine import driver_url
from tests.support.archived import DAY_S, KEEP_S, assert_whole, many, small_batches
from tests.support.bank import until
from tests.support.flow import World, together
from tests.support.python_path import PYTHONPATH

ROOT = Path(__file__).parents[3]


def test_the_limit_bounds_the_batches_of_one_run(world: World) -> None:
    small_batches(world)
    many(world, 1000)
    world.advance(KEEP_S + DAY_S)
    moved = retire(world.runtime, 3)
    assert 100 <= moved <= 160
    assert_whole(world, 1000)
    assert retire(world.runtime, 1000) == 1000 - moved
    assert_whole(world, 1000)


def test_what_stays_at_the_front_does_not_stop_what_may_go(world: World) -> None:
    small_batches(world)
    many(world, 1000)
    world.execute("INSERT INTO outbox SELECT id FROM events WHERE payment_id <= 504")
    world.advance(KEEP_S + DAY_S)
    assert retire(world.runtime, 12) == 500


def test_two_runs_at_once_move_each_payment_once(world: World) -> None:
    small_batches(world)
    many(world, 2000)
    world.advance(KEEP_S + DAY_S)
    other = world.another()
    moved = together(lambda: retire(world.runtime, 1000), lambda: retire(other, 1000))
    moved.append(retire(world.runtime, 1000))  # a family that both met is left for the next run
    assert sum(moved) == 2000
    assert_whole(world, 2000)
    assert world.value("SELECT count(*) FROM payments") == 0


_FOR_EVER = """
import sys, types
from shared.archive.retire import retire
from shared.settings.sections import RetentionSettings
from shared.database.engine import Database
runtime = types.SimpleNamespace(database=Database(sys.argv[1], 1, "to be killed"),
    settings=types.SimpleNamespace(retention=RetentionSettings(batch=20)))
print("ready", flush=True)
while True:
    retire(runtime, 1000)
"""


# In the middle of a batch: its transaction has written and is not committed.
_BUSY = """
SELECT count(*) FROM pg_stat_activity WHERE application_name = 'to be killed' AND backend_xid IS NOT NULL
"""
_THERE = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'to be killed'"


def killed_in_a_batch(world: World) -> None:
    """Run retire in a process of its own, and kill it after a few batches in the middle of one."""
    with subprocess.Popen(
        [sys.executable, "-c", _FOR_EVER, driver_url(world.url)],
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            before = world.value("SELECT count(*) FROM archive.payments")
            until(lambda: world.value("SELECT count(*) FROM archive.payments") > before + 200, True)
            until(lambda: world.value(_BUSY), 1)
        finally:
            process.send_signal(signal.SIGKILL)
    until(lambda: world.value(_THERE), 0)


def test_a_killed_run_leaves_each_payment_in_one_place(world: World) -> None:
    many(world, 6000)
    world.advance(KEEP_S + DAY_S)
    for _ in range(4):
        killed_in_a_batch(world)
        assert_whole(world, 6000)
    assert world.value("SELECT count(*) FROM payments") > 0, "it was killed too late to prove anything"
    retire(world.runtime, 1000)
    assert world.value("SELECT count(*) FROM payments") == 0
    assert_whole(world, 6000)

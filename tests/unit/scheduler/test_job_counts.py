"""What a child of the jobs' worker counts, its parent tells."""

import os
from collections.abc import Iterator

import pytest

from scheduler import job_counts
from shared.telemetry import counters
from tests.support.stack import wait_until


@pytest.fixture(autouse=True)
def apart() -> Iterator[None]:
    counters.JOB_RUNS.clear()
    counters.JOB_SECONDS.clear()
    yield
    while job_counts._to_parent:
        os.close(job_counts._to_parent.pop())  # the reader ends with it
    counters.JOB_RUNS.clear()
    counters.JOB_SECONDS.clear()


def counted(name: str, outcome: str) -> float:
    value = counters.REGISTRY.get_sample_value("settlepipe_job_runs_total", {"name": name, "outcome": outcome})
    return value or 0.0


def test_a_process_that_does_jobs_itself_counts_them() -> None:
    job_counts.ended("renew", "done", 0.2)
    job_counts.ended("renew", "lost", 0)
    assert (counted("renew", "done"), counted("renew", "lost")) == (1, 1)
    assert counters.REGISTRY.get_sample_value("settlepipe_job_seconds_count", {"name": "renew"}) == 1


def test_what_a_child_counts_the_parent_tells() -> None:
    job_counts.gather()
    child = os.fork()
    if child == 0:
        for _ in range(3):
            job_counts.ended("refresh", "failed", 1.5)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    wait_until(lambda: counted("refresh", "failed") == 3, "the parent has read all")
    assert counters.REGISTRY.get_sample_value("settlepipe_job_seconds_sum", {"name": "refresh"}) == 4.5


def test_a_job_waits_for_no_parent() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    job_counts._to_parent.append(writing)
    for _ in range(10_000):
        job_counts.ended("refresh", "done", 1.5)  # nobody reads
    os.close(reading)
    job_counts.ended("refresh", "done", 1.5)

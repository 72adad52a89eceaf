"""What this process did since it began, for `GET /metrics` on its health port. Nothing of it takes part in the flow.

A name is one of docs/metrics.md, "Of each process". Values are this process's own: sum them over the fleet.
"""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest

REGISTRY = CollectorRegistry()
_BUCKETS_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)
disable_created_metrics()  # type: ignore[no-untyped-call]
ATTEMPTS = Counter(
    "settlepipe_attempts",
    "attempts whose end was written, by what the answer meant",
    ("provider", "operation", "meaning"),
    registry=REGISTRY,
)
CALL_SECONDS = Histogram(
    "settlepipe_call_seconds",
    "how long the calls to the provider took of those attempts that made one",
    ("provider", "operation"),
    buckets=_BUCKETS_S,
    registry=REGISTRY,
)

ENTRIES = Counter(
    "settlepipe_intake_entries",
    "entries of intake streams that were taken, by whether a new payment came of them",
    ("outcome",),
    registry=REGISTRY,
)
DISPATCHED = Counter(
    "settlepipe_dispatched",
    "payments and follow-ups that were put on a lane's queue, by what is to be done",
    ("provider", "task"),
    registry=REGISTRY,
)
EVENTS = Counter(
    "settlepipe_events_written", "events that were written to the stream, repeats included", registry=REGISTRY
)
JOB_RUNS = Counter(
    "settlepipe_job_runs", "runs of periodic jobs that ended, by how", ("name", "outcome"), registry=REGISTRY
)
JOB_SECONDS = Histogram(
    "settlepipe_job_seconds",
    "how long runs took that were done or failed",
    ("name",),
    buckets=(0.1, 0.5, 2, 10, 60, 300, 900, 3600, 14400),
    registry=REGISTRY,
)
TICKS = Counter(
    "settlepipe_beat_ticks",
    "times that beat had what is due looked for, by what came of it",
    ("outcome",),
    registry=REGISTRY,
)
TICK_LATE = Histogram(
    "settlepipe_beat_late_seconds",
    "how long after its time a tick was sent",
    buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 300, 3600),
    registry=REGISTRY,
)


def job(name: str, outcome: str, took_s: float) -> None:
    """A run of this job has ended. outcome: a word; took_s: how long it took, 0 where nobody knows."""
    JOB_RUNS.labels(name, outcome).inc()
    if took_s:
        JOB_SECONDS.labels(name).observe(took_s)


def tick(outcome: str, late_s: float) -> None:
    """Beat sent a tick, or could not. outcome: a word; late_s: how long after its time."""
    TICKS.labels(outcome).inc()
    TICK_LATE.observe(max(late_s, 0))


def entries(taken: int, accepted: int) -> None:
    """So many entries of an intake stream were taken, and so many new payments came of them."""
    ENTRIES.labels("accepted").inc(accepted)
    ENTRIES.labels("known_or_quarantined").inc(taken - accepted)


def dispatched(provider: str, task: str, count: int) -> None:
    """So many were put on a lane's queue. task: the last word of the task's name."""
    DISPATCHED.labels(provider, task).inc(count)


def events(count: int) -> None:
    """So many were written to the stream."""
    EVENTS.inc(count)


def attempt(provider: str, operation: str, meaning: str, took_s: float) -> None:
    """One attempt has ended. took_s: of its call; 0: it made none."""
    _attempts(provider, operation, meaning).inc()
    if took_s:
        _calls(provider, operation).observe(took_s)


@cache  # a look among the labels costs more than what is counted
def _attempts(provider: str, operation: str, meaning: str) -> Counter:
    return ATTEMPTS.labels(provider, operation, meaning)


@cache
def _calls(provider: str, operation: str) -> Histogram:
    return CALL_SECONDS.labels(provider, operation)


def page() -> str:
    """The text of a scrape."""
    return generate_latest(REGISTRY).decode()

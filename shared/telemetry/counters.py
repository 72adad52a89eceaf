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

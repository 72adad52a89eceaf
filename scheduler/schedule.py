"""The table of periodic jobs: what, when (in the provider's time zone), why, and what becomes of a missed slot."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

from scheduler import jobs
from scheduler.slots import Daily, Every, When
from shared.providers.base import Registration
from shared.providers.registry import REGISTRATIONS
from shared.runtime import Runtime


class CatchUp(StrEnum):
    """What becomes of slots that were missed, e.g. while everything was down."""

    EACH = "each"  # every one is made up for, oldest first
    LATEST = "latest"  # the newest does the work of all
    NONE = "none"  # only one that is still on time is run


@dataclass(frozen=True, slots=True)
class Job:
    """One row. do: gets the runtime and the slot, returns one sentence on what it did, raises to be tried again.

    deadline_s: a run that takes longer is ended. provider: the job is there while this provider is on.
    """

    name: str
    when: When
    why: str
    catch_up: CatchUp
    deadline_s: float
    do: Callable[[Runtime, datetime], str]
    provider: str | None = None


_HOUR_S = 3600
_AHEAD_S = 2.0 * _HOUR_S  # so that the hourly look comes in time, and once more if that one fails


def _of_provider(name: str, registration: Registration) -> Iterator[Job]:
    """The rows that its registration asks for."""
    latest, zone = CatchUp.LATEST, registration.zone
    if registration.renews_tokens:
        why = "renewed ahead of its end, so that no payment waits for a log-in"
        yield Job(f"{name}-token", Every(_HOUR_S), why, latest, 120, jobs.renew(name, _AHEAD_S), name)
    for one in registration.lists:
        job = f"{name}-{one.kind.replace('_', '-')}"
        yield Job(job, Daily(one.at, zone), one.why, latest, 600, jobs.refresh(name, one.kind), name)
    if registration.sends_messages:
        why = "so that somebody buys more text messages before they run out"
        yield Job(f"{name}-sms-balance", Daily(time(8, 0), zone), why, latest, 120, jobs.sms_balance, name)
        why = "what became of messages of which no callback has told"
        yield Job(f"{name}-sms-reports", Every(_HOUR_S), why, latest, 1800, jobs.sms_reports, name)


def _night(name: str, registration: Registration) -> Job:
    why = "the day that is over, compared with the provider's books"
    at = Daily(time(0, 30), registration.zone)
    return Job(f"reconcile-{name}", at, why, CatchUp.EACH, 6 * _HOUR_S, jobs.reconcile(name), name)


SCHEDULE = (
    *(job for name, registration in REGISTRATIONS.items() for job in _of_provider(name, registration)),
    Job(
        "retention",
        Daily(time(1, 30)),
        "finished payments older than RETENTION__KEEP_DAYS move to the archive; what is old is forgotten",
        CatchUp.LATEST,
        3600,
        jobs.retention,
    ),
    *(_night(name, registration) for name, registration in REGISTRATIONS.items() if registration.has_statement),
    Job(
        "forget-lines",
        Daily(time(6, 0)),
        "what a night compared is kept as long as it may be compared again",
        CatchUp.LATEST,
        3600,
        jobs.forget_lines,
    ),
)


def jobs_of(providers: Collection[str]) -> tuple[Job, ...]:
    """The rows that are there while these providers are on."""
    return tuple(job for job in SCHEDULE if job.provider is None or job.provider in providers)

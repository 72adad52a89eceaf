"""The table of periodic jobs: what, when (in the provider's time zone), why, and what becomes of a missed slot."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

from scheduler import jobs
from scheduler.slots import Daily, Every, When
from shared.providers.registry import REGISTRATIONS
from shared.runtime import Runtime

ULAANBAATAR, TBILISI, TASHKENT = (REGISTRATIONS[name].zone for name in ("billcenter", "ubill", "bmms"))


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

SCHEDULE = (
    Job(
        "billcenter-token",
        Every(_HOUR_S),
        "renewed ahead of its end, so that no payment waits for a log-in",
        CatchUp.LATEST,
        120,
        jobs.renew("billcenter", _AHEAD_S),
        "billcenter",
    ),
    Job(
        "billcenter-services",
        Daily(time(3, 50), ULAANBAATAR),
        "which services there are, and which give VAT receipts",
        CatchUp.LATEST,
        600,
        jobs.refresh("billcenter", "services"),
        "billcenter",
    ),
    Job(
        "billcenter-bank-accounts",
        Daily(time(4, 0), ULAANBAATAR),
        "where the money of each service goes; once a day is enough, says billcenter",
        CatchUp.LATEST,
        600,
        jobs.refresh("billcenter", "bank_accounts"),
        "billcenter",
    ),
    Job(
        "bmms-catalogue",
        Daily(time(4, 0), TASHKENT),
        "whom one can pay, and within which limits",
        CatchUp.LATEST,
        600,
        jobs.refresh("bmms", "catalogue"),
        "bmms",
    ),
    Job(
        "ubill-sms-balance",
        Daily(time(8, 0), TBILISI),
        "so that somebody buys more text messages before they run out",
        CatchUp.LATEST,
        120,
        jobs.sms_balance,
        "ubill",
    ),
    Job(
        "ubill-sms-reports",
        Every(_HOUR_S),
        "what became of messages of which no callback has told",
        CatchUp.LATEST,
        1800,
        jobs.sms_reports,
        "ubill",
    ),
    Job(
        "retention",
        Daily(time(1, 30)),
        "finished payments older than RETENTION__KEEP_DAYS move to the archive; what is old is forgotten",
        CatchUp.LATEST,
        3600,
        jobs.retention,
    ),
    *(
        Job(
            f"reconcile-{name}",
            Daily(time(0, 30), REGISTRATIONS[name].zone),
            "the day that is over, compared with the provider's books",
            CatchUp.EACH,
            6 * _HOUR_S,
            jobs.reconcile(name),
            name,
        )
        for name in ("billcenter", "ubill", "mtn")
    ),
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

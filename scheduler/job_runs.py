"""Runs of periodic jobs: one row a slot, claimed with a lease, completed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.database import foreign, locks
from shared.database.engine import Connection
from shared.database.statements import statements

_SQL = statements(__file__)


_MAX_OUTCOME = 500
_SLACK_S = 60.0


@dataclass(frozen=True, slots=True)
class Planned:
    """A slot to be run, or left out because a later one makes up for it."""

    job: str
    slot: datetime
    skipped: bool


@dataclass(frozen=True, slots=True)
class Run:
    """The right to run a job's slot once. attempt fences its outcome."""

    id: int
    job: str
    slot: datetime
    attempt: int


def try_tick_lock(connection: Connection) -> bool:
    """In the caller's transaction: True for the one process that plans and claims now."""
    row = connection.execute("SELECT pg_try_advisory_xact_lock(%s) AS held", (locks.TICK,)).fetchone()
    return bool(row and row["held"])


def newest_slots(connection: Connection, jobs: Sequence[str]) -> Mapping[str, datetime]:
    """The newest slot that has come of each of these jobs (now, where all of them lie ahead: the clock is wrong); one
    that was never planned is left out."""
    rows = connection.execute(
        """SELECT j.job, coalesce((SELECT max(slot) FROM job_runs r WHERE r.job = j.job AND r.slot <= clock()),
            (SELECT clock() FROM job_runs r WHERE r.job = j.job LIMIT 1)) AS slot
        FROM unnest(%s::text[]) AS j(job)""",
        (list(jobs),),
    ).fetchall()
    return {row["job"]: row["slot"] for row in rows if row["slot"] is not None}


def plan(connection: Connection, planned: Sequence[Planned]) -> None:
    """Make these slots known; one that is known already stays as it is."""
    given = {name: [getattr(slot, name) for slot in planned] for name in ("job", "slot", "skipped")}
    connection.execute(_SQL["plan"], given)


def forget_ahead(connection: Connection, most_s: float) -> list[str]:
    """Take back what was planned, or put off for longer than `most_s`, by a clock that ran ahead; of which jobs."""
    given = {"most_s": most_s + _SLACK_S}
    connection.execute(_SQL["know_ahead"], given)
    jobs = sorted({row["job"] for row in connection.execute(_SQL["forget_ahead"]).fetchall()})
    connection.execute(_SQL["due_now"], given)
    if jobs:
        connection.execute(_SQL["not_made_up_for"], {"jobs": jobs})
    return jobs


def supersede(connection: Connection, jobs: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """Give up the slots of these jobs that a later one makes up for."""
    return connection.execute(_SQL["supersede"], {"jobs": list(jobs), "max": _MAX_OUTCOME}).fetchall()


def recover(connection: Connection) -> Sequence[Mapping[str, Any]]:
    """Runs whose lease is over wait again; the rows tell which."""
    return connection.execute(_SQL["recover"]).fetchall()


def claim_due(connection: Connection, jobs: Sequence[str], lease_s: float) -> Sequence[Mapping[str, Any]]:
    """What is due among these jobs, marked dispatched with a lease: rows with id and job."""
    return connection.execute(_SQL["due"], {"jobs": list(jobs), "lease_s": lease_s}).fetchall()


def claim(connection: Connection, run_id: int, lease_s: float) -> Run | None:
    """Claim a dispatched run; None when it was claimed before, or its lease is over."""
    row = connection.execute(_SQL["claim"], {"id": run_id, "lease_s": lease_s}).fetchone()
    return None if row is None else Run(row["id"], row["job"], row["slot"], row["attempts"])


def record(connection: Connection, run: Run, to: str, outcome: str, wait_s: float | None = None) -> bool:
    """Write how it ended: `done`, or `waiting` for another try after `wait_s`. False when the claim was lost."""
    text = (foreign.text(outcome) or "")[:_MAX_OUTCOME]
    given = {"id": run.id, "attempt": run.attempt, "to": to, "outcome": text, "wait_s": wait_s}
    return connection.execute(_SQL["record"], given).fetchone() is not None


def beat(connection: Connection, run: Run, lease_s: float) -> bool:
    """Still at it: the lease begins anew. False when the claim was lost."""
    return (
        connection.execute(_SQL["beat"], {"id": run.id, "attempt": run.attempt, "lease_s": lease_s}).fetchone()
        is not None
    )


def overview(connection: Connection, jobs: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """The newest run of each of these jobs; duration_s is None while it runs."""
    return {row["job"]: row for row in connection.execute(_SQL["overview"], {"jobs": list(jobs)}).fetchall()}


def unfinished(connection: Connection) -> Mapping[str, datetime]:
    """The oldest slot of each job that was planned and has no end, or was given up and none behind it is done."""
    return {row["job"]: row["slot"] for row in connection.execute(_SQL["unfinished"]).fetchall()}


def prune(connection: Connection, days: int) -> int:
    """Forget runs older than this, but for the newest of each job; how many."""
    return connection.execute(_SQL["prune"], {"days": days}).rowcount

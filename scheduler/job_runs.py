"""Runs of periodic jobs: one row a slot, claimed with a lease, completed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.database import foreign, locks
from shared.database.engine import Connection

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


_PLAN = """
INSERT INTO job_runs (job, slot, state, due_at, outcome)
SELECT job, slot, CASE WHEN skipped THEN 'skipped' ELSE 'waiting' END, CASE WHEN NOT skipped THEN clock() END,
    CASE WHEN skipped THEN 'missed; a later slot makes up for it' END
FROM unnest(%(job)s::text[], %(slot)s::timestamptz[], %(skipped)s::boolean[]) AS t(job, slot, skipped)
ON CONFLICT DO NOTHING
"""

# A slot that could not be completed before the next one is due: that one does its work.
_SUPERSEDE = """
UPDATE job_runs r SET state = 'failed', due_at = NULL, finished_at = clock(),
    outcome = left('superseded by a later slot; ' || coalesce(outcome, 'never started'), %(max)s)
WHERE r.job = ANY(%(jobs)s) AND r.state = 'waiting'
    AND EXISTS (SELECT FROM job_runs n WHERE n.job = r.job AND n.slot > r.slot AND n.slot <= clock()
                AND n.state <> 'skipped')
RETURNING r.job, r.slot
"""

# What lies ahead was written while the clock ran ahead. It counts for nothing at once, and is taken back when it has
# lain ahead for a minute: a clock that goes back for a moment makes every row look like that.
_KNOW_AHEAD = """
UPDATE job_runs SET ahead_since = CASE WHEN slot > clock() OR due_at > clock() + make_interval(secs => %(most_s)s)
                                       THEN clock() END
WHERE CASE WHEN slot > clock() OR due_at > clock() + make_interval(secs => %(most_s)s)
           THEN coalesce(ahead_since > clock(), true) ELSE ahead_since IS NOT NULL END
"""
_FORGET_AHEAD = """
DELETE FROM job_runs WHERE ahead_since <= clock() - interval '1 minute' AND slot > clock()
    AND state <> 'running' RETURNING job
"""
_DUE_NOW = """
UPDATE job_runs SET due_at = clock(), ahead_since = CASE WHEN slot > clock() THEN ahead_since END
WHERE ahead_since <= clock() - interval '1 minute' AND due_at > clock() + make_interval(secs => %(most_s)s)
"""
# Whose work a forgotten slot would have done: a slot that was left out is planned anew, one that was given up waits.
_NOT_MADE_UP_FOR = """
WITH last AS (
    SELECT job, max(slot) FILTER (WHERE state <> 'skipped') AS slot FROM job_runs
    WHERE job = ANY(%(jobs)s) AND slot <= clock() GROUP BY job
), left_out AS (
    DELETE FROM job_runs r USING last WHERE r.job = last.job AND r.state = 'skipped' AND r.slot > last.slot
)
UPDATE job_runs r SET state = 'waiting', due_at = clock(), finished_at = NULL
FROM last WHERE r.job = last.job AND r.slot = last.slot AND r.state = 'failed'
"""

_RECOVER = """
WITH lost AS (
    SELECT id, state AS was FROM job_runs WHERE state IN ('dispatched', 'running') AND due_at <= clock() FOR UPDATE
)
UPDATE job_runs r SET state = 'waiting', due_at = clock(),
    outcome = CASE was WHEN 'running' THEN 'no end was recorded: its runner was killed, or it hung' ELSE outcome END
FROM lost WHERE r.id = lost.id RETURNING job, slot, attempts, was
"""

# One run of a job at a time, oldest slot first.
_DUE = """
WITH due AS (
    SELECT DISTINCT ON (job) id, job FROM job_runs r
    WHERE state = 'waiting' AND due_at <= clock() AND slot <= clock() AND job = ANY(%(jobs)s)
        AND NOT EXISTS (SELECT FROM job_runs o WHERE o.job = r.job AND o.state IN ('dispatched', 'running'))
    ORDER BY job, slot
)
UPDATE job_runs r SET state = 'dispatched', due_at = clock() + make_interval(secs => %(lease_s)s)
FROM due WHERE r.id = due.id RETURNING r.id, r.job
"""

_CLAIM = """
UPDATE job_runs SET state = 'running', attempts = attempts + 1, started_at = clock(), finished_at = NULL,
    due_at = clock() + make_interval(secs => %(lease_s)s)
WHERE id = %(id)s AND state = 'dispatched' AND due_at > clock() AND slot <= clock()
RETURNING id, job, slot, attempts
"""

_RECORD = """
UPDATE job_runs SET state = %(to)s, outcome = %(outcome)s, finished_at = clock(),
    due_at = clock() + make_interval(secs => %(wait_s)s::float8)
WHERE id = %(id)s AND state = 'running' AND attempts = %(attempt)s RETURNING id
"""

_BEAT = """
UPDATE job_runs SET due_at = clock() + make_interval(secs => %(lease_s)s)
WHERE id = %(id)s AND state = 'running' AND attempts = %(attempt)s RETURNING id
"""

_OVERVIEW = """
SELECT j.job, r.slot, r.state, r.attempts, r.started_at, r.finished_at, r.outcome,
    extract(epoch FROM r.finished_at - r.started_at)::float8 AS duration_s
FROM unnest(%(jobs)s::text[]) AS j(job) CROSS JOIN LATERAL (
    SELECT * FROM job_runs r WHERE r.job = j.job AND r.state <> 'skipped' ORDER BY slot DESC LIMIT 1) AS r
"""

_PRUNE = """
DELETE FROM job_runs r WHERE state IN ('done', 'failed', 'skipped') AND slot < clock() - make_interval(days => %(days)s)
    AND EXISTS (SELECT FROM job_runs n WHERE n.job = r.job AND n.slot > r.slot)
"""


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
    connection.execute(_PLAN, given)


def forget_ahead(connection: Connection, most_s: float) -> list[str]:
    """Take back what was planned, or put off for longer than `most_s`, by a clock that ran ahead; of which jobs."""
    given = {"most_s": most_s + _SLACK_S}
    connection.execute(_KNOW_AHEAD, given)
    jobs = sorted({row["job"] for row in connection.execute(_FORGET_AHEAD).fetchall()})
    connection.execute(_DUE_NOW, given)
    if jobs:
        connection.execute(_NOT_MADE_UP_FOR, {"jobs": jobs})
    return jobs


def supersede(connection: Connection, jobs: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """Give up the slots of these jobs that a later one makes up for."""
    return connection.execute(_SUPERSEDE, {"jobs": list(jobs), "max": _MAX_OUTCOME}).fetchall()


def recover(connection: Connection) -> Sequence[Mapping[str, Any]]:
    """Runs whose lease is over wait again; the rows tell which."""
    return connection.execute(_RECOVER).fetchall()


def claim_due(connection: Connection, jobs: Sequence[str], lease_s: float) -> Sequence[Mapping[str, Any]]:
    """What is due among these jobs, marked dispatched with a lease: rows with id and job."""
    return connection.execute(_DUE, {"jobs": list(jobs), "lease_s": lease_s}).fetchall()


def claim(connection: Connection, run_id: int, lease_s: float) -> Run | None:
    """Claim a dispatched run; None when it was claimed before, or its lease is over."""
    row = connection.execute(_CLAIM, {"id": run_id, "lease_s": lease_s}).fetchone()
    return None if row is None else Run(row["id"], row["job"], row["slot"], row["attempts"])


def record(connection: Connection, run: Run, to: str, outcome: str, wait_s: float | None = None) -> bool:
    """Write how it ended: `done`, or `waiting` for another try after `wait_s`. False when the claim was lost."""
    text = (foreign.text(outcome) or "")[:_MAX_OUTCOME]
    given = {"id": run.id, "attempt": run.attempt, "to": to, "outcome": text, "wait_s": wait_s}
    return connection.execute(_RECORD, given).fetchone() is not None


def beat(connection: Connection, run: Run, lease_s: float) -> bool:
    """Still at it: the lease begins anew. False when the claim was lost."""
    return connection.execute(_BEAT, {"id": run.id, "attempt": run.attempt, "lease_s": lease_s}).fetchone() is not None


def overview(connection: Connection, jobs: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """The newest run of each of these jobs; duration_s is None while it runs."""
    return {row["job"]: row for row in connection.execute(_OVERVIEW, {"jobs": list(jobs)}).fetchall()}


def prune(connection: Connection, days: int) -> int:
    """Forget runs older than this, but for the newest of each job; how many."""
    return connection.execute(_PRUNE, {"days": days}).rowcount

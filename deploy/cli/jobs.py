"""jobs: the periodic jobs, when each ran last and runs next."""

import json
from typing import Any

from deploy.cli import output, stack
from deploy.cli.moments import utc_or_none
from deploy.cli.output import JsonFlag


def jobs(as_json: JsonFlag = False) -> None:
    """The periodic jobs: what each is for, its last run, how that ended, its next one."""
    from scheduler import job_runs as store
    from scheduler.schedule import jobs_of
    from scheduler.slots import following
    from shared.database import clock
    from shared.providers.registry import REGISTRATIONS

    settings = stack.settings_with_sandbox()
    table = jobs_of([name for name in REGISTRATIONS if settings.provider(name).base_url])
    with stack.connection() as connection:
        now = clock.now(connection)
        runs = store.overview(connection, [job.name for job in table])
    rows = []
    for job in table:
        last: dict[str, Any] = dict(runs.get(job.name) or {})
        newest = last.get("slot")
        rows.append(
            {
                "job": job.name,
                "when": str(job.when),
                "why": job.why,
                "state": last.get("state", "never"),
                "last_slot": utc_or_none(newest),
                "started_at": utc_or_none(last.get("started_at")),
                "finished_at": utc_or_none(last.get("finished_at")),
                "duration_s": last.get("duration_s"),
                "attempts": last.get("attempts", 0),
                "outcome": last.get("outcome"),
                "next_slot": utc_or_none(following(job.when, now)),
            }
        )
    if as_json:
        output.json_lines(json.dumps(row, ensure_ascii=False) for row in rows)
        return
    columns = ("job", "state", "last run (UTC)", ">took", "next run (UTC)", "outcome")
    output.table(columns, (_shown(row) for row in rows))


def _shown(row: dict[str, Any]) -> tuple[object, ...]:
    took = "-" if row["duration_s"] is None else f"{row['duration_s']:.1f} s"
    started, following = row["started_at"], row["next_slot"]
    return (row["job"], row["state"], _short(started), took, _short(following), row["outcome"] or "-")


def _short(moment: str | None) -> str:
    return "-" if moment is None else moment[5:16].replace("T", " ")

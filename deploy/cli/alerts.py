"""alerts: what stands still now, and what people were told."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from deploy.cli import output, stack
from deploy.cli.output import JsonFlag


def alerts(
    everything: Annotated[bool, typer.Option("--all", help="the cleared ones, too")] = False, as_json: JsonFlag = False
) -> None:
    """What stands still or is in question now, since when, and what to do about it; the oldest first."""
    from shared.alerts.views import listed

    with stack.connection() as connection:
        rows = [{**row, **_told(row["name"])} for row in listed(connection, everything=everything)]
    if as_json:
        output.json_lines(json.dumps(row, ensure_ascii=False) for row in rows)
        return
    for row in rows:
        output.entry(_head(row), ((name, row[name]) for name in ("meaning", "action")))
    if not rows:
        print("nothing stands still")


def _told(name: str) -> Mapping[str, str | None]:
    """What is known of an alert; nothing of one that another release raised."""
    from shared.telemetry.alerts import Alert

    which = Alert.__members__.get(name.upper())
    if which is None:
        return {"severity": None, "meaning": None, "action": None}
    return {"severity": which.severity.value, "meaning": which.meaning, "action": which.action}


def _head(row: Mapping[str, Any]) -> Sequence[str | None]:
    figures = " ".join(f"{name}={_figure(value)}" for name, value in row["figures"].items())
    until = f"until {row['cleared_at'][:16]}Z" if row["cleared_at"] else ""
    return row["raised_at"][:16] + "Z", until, row["severity"], row["name"], row["subject"], figures


def _figure(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{amount}{currency}" for currency, amount in value.items())
    return str(value)

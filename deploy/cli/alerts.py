"""alerts: what stands still now, and what people were told."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from deploy.cli import output, stack
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.output import JsonFlag

app = typer.Typer(
    help="What stands still or is in question now, since when, and what to do about it; test the sending."
)


@app.callback(invoke_without_command=True)
def alerts(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="the cleared ones, too")] = False,
    as_json: JsonFlag = False,
) -> None:
    """What stands still or is in question now, since when, and what to do about it; the oldest first."""
    if context.invoked_subcommand is not None:
        if everything or as_json:
            raise WrongUse(f"`alerts {context.invoked_subcommand}` takes no options")
        return
    from shared.alerts.views import listed
    from shared.alerts.words import described
    from shared.metrics.risk import below_a_list

    with stack.connection() as connection:
        risk = None if as_json else below_a_list(connection, None)
        rows = [{**row, **described(row["name"])} for row in listed(connection, everything=everything)]
    if as_json:
        output.json_lines(json.dumps(row, ensure_ascii=False) for row in rows)
        return
    for row in rows:
        lines = [(name, row[name]) for name in ("meaning", "action")]
        output.entry(_head(row), [*lines, ("sending", _unsent(row["told"]))])
    if not rows:
        print("nothing stands still")
    if risk is not None:
        print(risk)


@app.command()
def test() -> None:
    """Send a test alert by each way that is set, and say what each answered."""
    from shared.alerts.ways import Untold, ways
    from shared.alerts.words import Word
    from shared.settings import load_settings

    found = ways(load_settings().alerts)
    if not found:
        raise Failed("no way is set; see SETTLEPIPE_ALERTS__WEBHOOK_URL, …__ALERTMANAGER_URL and …__MAIL__HOST")
    now = datetime.now(UTC)
    word = Word(id=0, name="test", subject="", figures={}, raised_at=now, cleared_at=None)
    failed = 0
    for way in found.values():
        try:
            said = way.test([word], now)
        except Untold as error:
            said, failed = f"FAILED: {error}", failed + 1
        print(f"{way.name}: {output.safe(said)}")
    if failed:
        raise Failed(f"{failed} of {len(found)} did not take it")


def _head(row: Mapping[str, Any]) -> Sequence[str | None]:
    from shared.alerts.words import figures_text

    until = f"until {row['cleared_at'][:16]}Z" if row["cleared_at"] else ""
    figures = figures_text(row["figures"])
    return row["raised_at"][:16] + "Z", until, row["severity"], row["name"], row["subject"], figures


def _unsent(told: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What could not be sent last, by which way; None: nothing."""
    failures = (f"{way}: {row['failure']}" for way, row in told.items() if row["failure"])
    return "; ".join(failures) or None

"""payments, payment, export."""

import csv
import json
import sys
from typing import Annotated, Any

import typer

from deploy.cli import output, stack
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.known import must_be_provider
from deploy.cli.output import JsonFlag
from shared.domain.cells import BYTE_ORDER_MARK, harmless

_SHOWN = 100  # rows of a table, unless more are asked for

Name = Annotated[str, typer.Argument(metavar="SOURCE/INTENT_ID", help="which payment")]


def parts(name: str) -> tuple[str, str]:
    """(source, intent_id). Raises WrongUse."""
    source, slash, intent_id = name.partition("/")
    if not (source and slash and intent_id) or "\x00" in name:
        raise WrongUse(f"{output.safe(name)} names no payment; write SOURCE/INTENT_ID, like mbank-app/ord-1001")
    return source, intent_id


def payments(
    state: Annotated[str | None, typer.Option(help="only those in this state")] = None,
    provider: Annotated[str | None, typer.Option(help="only those of this provider")] = None,
    source: Annotated[str | None, typer.Option(help="only those of this upstream")] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=10**9, help=f"at most so many; a table: {_SHOWN}")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List payments, the newest first."""
    _must_exist(state, provider)
    from shared.payments import views

    given: dict[str, Any] = {"state": state, "provider": provider, "source": source}
    with stack.reading() as connection:
        if as_json:
            output.json_lines(views.payments(connection, **given, limit=limit))
            return
        most = limit or _SHOWN
        rows = [json.loads(row) for row in views.payments(connection, **given, limit=most + 1)]
    output.table(("payment", "provider", ">amount", "state", "created (UTC)"), (_cells(row) for row in rows[:most]))
    if len(rows) > most:
        output.note(f"only the newest {most} are shown; ask for more with --limit")


def payment(name: Name, as_json: JsonFlag = False) -> None:
    """Show one payment and everything that was done about it."""
    source, intent_id = parts(name)
    from shared.payments import told, views

    with stack.connection() as connection:
        number = views.payment_id(connection, source, intent_id)
        if number is None:
            raise Failed(f"there is no payment {output.safe(name)}; look for it with `settlepipe payments`")
        found = views.payment(connection, number)
    if as_json:
        output.json_lines([json.dumps(found, ensure_ascii=False)])
        return
    history = found.pop("history")
    output.table(("field", "value"), ((key, _text(value)) for key, value in found.items() if value is not None))
    output.table(("at (UTC)", "what", "says"), ((entry["at"], told.what(entry), told.says(entry)) for entry in history))


def export(
    form: Annotated[str, typer.Option("--format", metavar="jsonl|csv", help="of the output")] = "jsonl",
    as_json: JsonFlag = False,
) -> None:
    """Write every payment to stdout, the oldest first, as of one moment."""
    if form not in ("jsonl", "csv"):
        raise WrongUse(f"there is no format {output.safe(form)}; take --format jsonl or --format csv")
    if as_json and form == "csv":
        raise WrongUse("--json and --format csv exclude each other; take one of them")
    from shared.payments import views

    with stack.reading() as connection:
        rows = views.export(connection)
        if form == "jsonl":
            output.json_lines(rows)
            return
        sys.stdout.write(BYTE_ORDER_MARK)
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(views.EXPORT_COLUMNS)
        for row in map(json.loads, rows):
            writer.writerow(harmless(_flat(row[name])) for name in views.EXPORT_COLUMNS)


def _flat(value: object) -> object:
    """A target, or metadata, as one cell."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _must_exist(state: str | None, provider: str | None) -> None:
    from shared.domain.payment import State

    if state is not None and state not in list(State):
        raise WrongUse(f"there is no state {output.safe(state)}; the states are {', '.join(State)}")
    if provider is not None:
        must_be_provider(provider)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    state = row["state"] + (f" ({row['hold_reason']})" if row["hold_reason"] else "")
    amount = f"{'-' if row['operation'] == 'refund' else ''}{row['amount']} {row['currency']}"
    return f"{row['source']}/{row['intent_id']}", row["provider"], amount, state, row["created_at"][:19] + "Z"

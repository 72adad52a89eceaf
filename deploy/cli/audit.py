"""audit: what people did."""

import json
from typing import Annotated, Any

import typer

from deploy.cli import moments, output, stack
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.output import JsonFlag

app = typer.Typer(help="What people did: [--since T] [--json]; verify that nothing was changed.")


@app.callback(invoke_without_command=True)
def _default(
    context: typer.Context,
    since: Annotated[str | None, typer.Option(metavar="T", help="a time with an offset: 2026-11-21T03:24:12Z")] = None,
    as_json: JsonFlag = False,
) -> None:
    if context.invoked_subcommand is None:
        listed(since, as_json)
    elif as_json or since is not None:
        raise WrongUse(f"options belong behind the command: audit {context.invoked_subcommand} …")


def listed(since: str | None, as_json: bool) -> None:
    """Each record, the oldest first."""
    from shared import audit

    moment = moments.given(since) if since is not None else None
    with stack.connection() as connection:
        for row in audit.records(connection, moment):
            shown = _shown(row)
            if as_json:
                output.json_lines([json.dumps(shown, ensure_ascii=False)])
                continue
            told = json.dumps(shown["content"], ensure_ascii=False) if shown["content"] else None
            head = (str(shown["number"]), shown["at"][:19] + "Z", shown["by"], shown["action"], shown["subject"])
            output.entry(head, (("why", shown["reason"]), ("with", told)))


@app.command()
def verify(
    head: Annotated[
        str | None, typer.Option(metavar="HASH", help="a hash that was noted before: is it still there?")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Read the whole chain: is each record what was written, behind the one that it was written behind? 1 if not."""
    from shared import audit

    if head is not None and (len(head) != 64 or set(head) - set("0123456789abcdef")):
        raise WrongUse("--head is a hash as `audit verify` prints it: 64 digits, 0 to 9 and a to f")
    with stack.connection() as connection:
        found = audit.verify(connection, head)
    lost = head is not None and found.wrong is None and not found.found
    wrong = found.wrong or ("the record with this hash is gone: the end was cut off, or rewritten" if lost else None)
    if as_json:
        output.json_lines([json.dumps({"records": found.count, "head": found.head, "wrong": wrong})])
        if wrong is not None:
            raise typer.Exit(1)
        return
    if wrong is not None:
        raise Failed(f"the audit does not hold: {wrong}")
    print(f"{found.count} records, each as it was written; the last one's hash is {found.head or 'none'}")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in ("number", "at", "action", "subject", "reason", "content")}
    return told | {"by": row["by_whom"], "hash": bytes(row["hash"]).hex()}

"""keys: what lets upstreams in by HTTP."""

import json
import sys
from typing import Annotated

import typer

from deploy.cli import output, person, stack
from deploy.cli.failures import WrongUse
from deploy.cli.output import JsonFlag
from deploy.cli.person import By
from shared.domain.roles import Deed

app = typer.Typer(help="What lets upstreams in by HTTP: list keys, create one for a source, revoke one.")


@app.callback(invoke_without_command=True)
def _default(context: typer.Context, as_json: JsonFlag = False) -> None:
    if context.invoked_subcommand is None:
        listed(as_json)
    elif as_json:
        raise WrongUse(f"--json belongs behind the command: keys {context.invoked_subcommand} --json")


@app.command("list")
def listed(as_json: JsonFlag = False) -> None:
    """Every key, by its number; the revoked ones at the end. The keys themselves are kept nowhere."""
    from shared.people import keys

    with stack.connection() as connection:
        rows = keys.listed(connection)
    if as_json:
        output.json_lines(json.dumps(row, ensure_ascii=False) for row in rows)
        return
    if not rows:
        print("there is no key; settlepipe keys create SOURCE makes one")
        return
    times = ("created_at", "last_used_at", "revoked_at")
    shown = ([row["id"], row["source"], row["created_by"], *((row[name] or "")[:16] for name in times)] for row in rows)
    output.table((">key", "source", "created by", "created (UTC)", "last used", "revoked"), shown)


@app.command()
def create(source: Annotated[str, typer.Argument(metavar="SOURCE")], by: By = None, as_json: JsonFlag = False) -> None:
    """Make a key of this source. It is printed this once."""
    from shared.people import keys

    with stack.database() as database, database.transaction() as connection:
        who = person.named_on(connection, by, Deed.KEYS)
        number, key = person.said_right(lambda: keys.create(connection, source, by=who))
        # Before it counts: where nobody can read it, nothing is changed.
        if as_json:
            output.json_lines([json.dumps({"id": number, "source": source, "key": key})])
        else:
            print(f"key {number} of {source}; it is shown this once:")
            print(key)
        sys.stdout.flush()


@app.command()
def revoke(number: Annotated[int, typer.Argument(metavar="ID", help="of `keys list`")], by: By = None) -> None:
    """Have a key open nothing any more, within seconds. What came with it stays."""
    from shared.people import keys

    with stack.database() as database, database.transaction() as connection:
        source = keys.revoke(connection, number, by=person.named_on(connection, by, Deed.KEYS))
    print(f"key {number} of {source} is revoked")

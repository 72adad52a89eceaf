"""db: the database's schema, and who may do what in it."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli import output, stack
from deploy.cli.output import JsonFlag

if TYPE_CHECKING:
    from shared.database.version import Schema

app = typer.Typer(help="The database's schema, and who may do what in it.")

Pre = Annotated[bool, typer.Option("--pre", help="only what adds: before a new release's processes start")]
Post = Annotated[bool, typer.Option("--post", help="only what takes away: after the last older process has ended")]


@app.command()
def upgrade(pre: Pre = False, post: Post = False) -> None:
    """Bring the database to this version's schema, in one piece or in halves."""
    from shared.database import migrate

    half = _half(pre, post)
    migrate.upgrade(stack.owner_url(stack.settings()), half=half)
    print("the database is up to date" if half is None else f"the half {half} is done")


@app.command()
def sql(pre: Pre = False, post: Post = False) -> None:
    """Print the statements that `upgrade` would run, and run nothing."""
    from shared.database import migrate

    print(migrate.sql(stack.database_url(stack.settings()), _half(pre, post)), end="")


@app.command()
def current(as_json: JsonFlag = False) -> None:
    """Show the schema's version, the code that works with it, and what is still to be run."""
    from shared.database import version

    schema, mine = _schema(), version.known()[-1]
    known = schema is None or schema.version in version.known()
    pending = version.pending(schema.version if schema else None) if known else ()
    told = {
        "schema": schema.version if schema else None,
        "code": mine,
        "least": schema.least if schema else None,
        "most": schema.most if schema else None,
        **{half: [one.version for one in pending if one.half == half] for half in (version.PRE, version.POST)},
    }
    if as_json:
        output.json_lines([json.dumps(told)])
    else:
        rows = ((name, " ".join(value) if isinstance(value, list) else value) for name, value in told.items())
        output.table(("what", "version"), ((name, value or "-") for name, value in rows))


@app.command()
def check() -> None:
    """Say whether this version's processes can work with the database; exit 0 if so, 3 if not."""
    from shared.database import version
    from shared.process import WRONG_SCHEMA

    sentence = version.wrong(_schema())
    if sentence is not None:
        print(f"settlepipe: {sentence}", file=sys.stderr)
        raise typer.Exit(WRONG_SCHEMA)
    print("this settlepipe can work with the database")


@app.command()
def grants() -> None:
    """Print the statements that make the roles owner, runtime and reader, for psql as a superuser."""
    from shared.database import roles

    print(roles.grants(), end="")


@app.command()
def pins(
    role: Annotated[str, typer.Option(help="the role of SETTLEPIPE_DATABASE_POOL_URL")] = "settlepipe_runtime",
) -> None:
    """Print the statements that set for a role what our sessions set, for psql: a pooler's sessions begin with it."""
    from shared.database import pooler

    print(pooler.pins(role), end="")


def _schema() -> "Schema | None":
    from shared.database import session, version

    with session.connect(stack.database_url(stack.settings()), "settlepipe cli") as connection:
        return version.look(connection)


def _half(pre: bool, post: bool) -> str | None:
    from deploy.cli.failures import WrongUse

    if pre and post:
        raise WrongUse("say --pre or --post; without either both are run")
    return "pre" if pre else "post" if post else None

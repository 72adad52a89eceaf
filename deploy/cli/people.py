"""people: who may decide."""

import json
import sys
from typing import Annotated

import typer

from deploy.cli import output, person, stack
from deploy.cli.failures import WrongUse
from deploy.cli.output import JsonFlag
from deploy.cli.person import By, MaybeBy
from deploy.cli.proposals import tell_proposal
from shared.domain.roles import Deed, Role

app = typer.Typer(help="Who may decide: list them, add one, revoke one, have a new token.")

Named = Annotated[str, typer.Argument(metavar="NAME")]


@app.callback(invoke_without_command=True)
def _default(context: typer.Context, as_json: JsonFlag = False) -> None:
    if context.invoked_subcommand is None:
        listed(as_json)
    elif as_json:
        raise WrongUse(f"--json belongs behind the command: people {context.invoked_subcommand} --json")


@app.command("list")
def listed(as_json: JsonFlag = False) -> None:
    """Everybody who was set up, with their role; the revoked ones at the end."""
    from shared.people import change

    with stack.connection() as connection:
        rows = change.listed(connection)
    if as_json:
        output.json_lines(json.dumps(row, ensure_ascii=False) for row in rows)
        return
    if not rows:
        print("nobody is set up: whatever name --by says counts, and one person decides alone")
        return
    cells = ((r["name"], r["role"], r["added_at"][:10], r["added_by"], (r["revoked_at"] or "")[:10]) for r in rows)
    output.table(("name", "role", "since", "added by", "revoked"), cells)


@app.command()
def add(
    name: Named,
    role: Annotated[Role, typer.Option(help="what they are there for")],
    by: MaybeBy = None,
    as_json: JsonFlag = False,
) -> None:
    """Set a person up. Their token is printed this once, and is good for `people rotate` alone: you saw it.

    Once there were two approvers, another one has to agree.
    """
    from shared.people import change

    with stack.database() as database, database.transaction() as connection:
        who = person.named_on(connection, by, Deed.PEOPLE, otherwise="somebody")
        token = person.said_right(lambda: change.ask(connection, name, role, by=who))
        if isinstance(token, str):
            tell(name.strip(), role, token, as_json)
    if not isinstance(token, str):
        tell_proposal(token, as_json)


@app.command()
def revoke(name: Named, by: By = None) -> None:
    """Take a person's token from them. What they did stays as it is."""
    from shared.people import change

    with stack.database() as database, database.transaction() as connection:
        change.revoke(connection, name, by=person.named_on(connection, by, Deed.PEOPLE))
    print(f"{output.safe(name)} is revoked")


@app.command()
def rotate(as_json: JsonFlag = False) -> None:
    """Have a new token for yourself; you prove who you are by the old one."""
    from shared.people import change

    with stack.database() as database, database.transaction() as connection:
        name = person.named_on(connection, None, Deed.ROTATE)
        tell(name, None, change.rotate(connection, name), as_json)


@app.command()
def password(name: Named) -> None:
    """Set your password for the control room; you prove who you are by your token. From stdin, where that is no
    terminal: its first line. All your sessions end."""
    from shared.people import passwords

    given = _new_password()
    with stack.database() as database, database.transaction() as connection:
        _must_be(name, person.named_on(connection, None, Deed.COME_IN))
        person.said_right(lambda: passwords.keep(connection, name, given))
    print(f"the password of {output.safe(name)} is set; log in with it in the control room")


@app.command()
def totp(
    name: Named,
    off: Annotated[bool, typer.Option("--off", help="ask for no code any more")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Have a one-time code asked for beside your password: its secret, for your app, is shown this once."""
    from shared.domain import totp as codes
    from shared.people import passwords

    keys = tuple(key.get_secret_value() for key in stack.with_keys(stack.settings()).secret_keys)
    with stack.database() as database, database.transaction() as connection:
        _must_be(name, person.named_on(connection, None, Deed.COME_IN))
        if off:
            passwords.forget_totp(connection, name)
            print(f"{output.safe(name)} is asked for no code any more")
            return
        uri = codes.uri(passwords.keep_totp(connection, name, keys), name)
        if as_json:
            output.json_lines([json.dumps({"name": name, "uri": uri}, ensure_ascii=False)])
        else:
            print("put this into your app; it is shown this once:")
            print(uri)
        sys.stdout.flush()


def _must_be(name: str, proved: str) -> None:
    if name.strip() != proved:
        raise WrongUse(f"the token is {output.safe(proved)}'s; each person sets their own, nothing was changed")


def _new_password() -> str:
    """Asked for twice without showing it; of a program the first line of stdin."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("new password", hide_input=True, confirmation_prompt="the same again", err=True))


def tell(name: str, role: str | None, token: str, as_json: bool) -> None:
    """The one time that a token is shown, before it counts: where nobody can read it, nothing is changed."""
    if as_json:
        output.json_lines([json.dumps({"name": name, "role": role, "token": token}, ensure_ascii=False)])
    else:
        print(f"the token of {output.safe(name)}{f', {role}' if role else ''}; it is shown this once:")
        print(token)
    sys.stdout.flush()

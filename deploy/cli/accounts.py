"""accounts: the bank accounts that biller services are paid to, and the confirmation of those that changed.

Their numbers are shown in full: whoever reads this has to compare them. They are in no log and no event.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from deploy.cli import output, person, stack
from deploy.cli.known import must_be_provider
from deploy.cli.output import JsonFlag
from deploy.cli.person import By, Why, said_right
from deploy.cli.proposals import tell_proposal
from shared.domain.roles import Deed


class _ListsByDefault(TyperGroup):
    """`accounts`, `accounts billcenter` and `accounts --json` are `accounts list …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        asks_for_help = bool(args) and args[0] in ctx.help_option_names
        if not asks_for_help and (not args or args[0] not in self.commands):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_ListsByDefault,
    help="Biller services' bank accounts: [list] [PROVIDER] [--history] [--json]; confirm one that changed.",
)


@app.command("list")
def listed(
    provider: Annotated[str | None, typer.Argument(metavar="PROVIDER", help="none: every provider's")] = None,
    history: Annotated[bool, typer.Option("--history", help="also closed ones, and what happened when")] = False,
    as_json: JsonFlag = False,
) -> None:
    """The account of each biller service, since when, and is it confirmed."""
    if provider is not None:
        must_be_provider(provider)
    from shared.directory import views

    with stack.connection() as connection:
        rows = views.shown(connection, provider, closed=history)
    if as_json:
        shown = ({**row, "history": list(_history(row))} if history else row for row in rows)
        output.json_lines(json.dumps(row, ensure_ascii=False) for row in shown)
    elif history:
        told = [(entry["at"], row, _words(entry)) for row in rows for entry in _history(row)]
        told.sort(key=lambda entry: entry[0])
        columns = ("at (UTC)", "=service", "khut_type", "=account", "bank", "what")
        output.table(columns, ((at[:19] + "Z", *_which(row, provider), words) for at, row, words in told))
    else:
        columns = ("=service", "khut_type", "=account", "bank", "since", "state")
        output.table(columns, ((*_which(row, provider), row["since"][:10], row["state"]) for row in rows))


@app.command()
def confirm(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER")],
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="the provider's id of the biller service")],
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="the number, as the biller itself says it is")],
    *,
    by: By = None,
    reason: Why = None,
    bank: Annotated[str | None, typer.Option(help="its bank code, where several have this number")] = None,
    khut_type: Annotated[str | None, typer.Option("--khut-type", help="its branch, likewise")] = None,
) -> None:
    """Let payments go to an account that changed: what is held for it is sent."""
    must_be_provider(provider)
    from shared.directory.confirm import confirm as confirm_account

    with stack.database() as database:
        given: dict[str, Any] = {"by": person.named(database, by, Deed.CONFIRM), "reason": reason}
        given |= {"bank_code": bank, "khut_type": khut_type}
        row = said_right(lambda: confirm_account(database, provider, service, account, **given))
    if not isinstance(row, dict):
        tell_proposal(row, False)
        return
    which = f"the account of {output.safe(provider)} service {output.safe(service)}"
    if row["to_confirm"]:
        print(f"{which} is confirmed; what was held for it goes")
    else:
        earlier = f" (by {output.safe(row['confirmed_by'])}, {row['confirmed_at']})" if row["confirmed_by"] else ""
        print(f"{which} was confirmed already{earlier}")


@app.command()
def choose(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER")],
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="the provider's id of the biller service")],
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="the number, as the biller itself says it is")],
    *,
    reason: Annotated[str, typer.Option(help="why; kept for ever")],
    by: By = None,
    bank: Annotated[str | None, typer.Option(help="its bank code, where several have this number")] = None,
    khut_type: Annotated[str | None, typer.Option("--khut-type", help="its branch, likewise")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what is held for the service, and change nothing")
    ] = False,
) -> None:
    """Say which of several accounts a service's bills are paid to: what is held for that is sent."""
    must_be_provider(provider)
    from shared.directory.choose import choose as choose_account
    from shared.directory.choose import one
    from shared.payments import held

    with stack.database() as database:
        who = person.named(database, by, Deed.CONFIRM)
        with database.connection() as connection:
            waits = held.ambiguous(connection, provider, service)
        which = f"the account of {output.safe(provider)} service {output.safe(service)}"
        print(f"held for {which}: {held.told(waits)}")
        if dry_run:
            with database.transaction() as connection:
                one(connection, provider, service, account, bank_code=bank, khut_type=khut_type)
            print("nothing was changed: leave out --dry-run to do it")
            return
        given: dict[str, Any] = {"by": who, "reason": reason, "bank_code": bank, "khut_type": khut_type}
        made = said_right(lambda: choose_account(database, provider, service, account, **given))
    if made is not None:
        tell_proposal(made, False)
    else:
        print(f"{which} is chosen; what was held for it goes")


def _history(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What happened to an account, in order of time."""
    yield {"at": row["since"], "what": "changed" if row["change"] == "changed" else "added"}
    if row["confirmed_at"]:
        yield {"at": row["confirmed_at"], "what": "confirmed", "by": row["confirmed_by"]}
    if row["chosen_at"]:
        yield {"at": row["chosen_at"], "what": "chosen", "by": row["chosen_by"]}
    if row["closed_at"]:
        yield {"at": row["closed_at"], "what": "closed"}


def _words(entry: dict[str, Any]) -> str:
    return f"{entry['what']} by {entry['by']}" if "by" in entry else str(entry["what"])


def _which(row: dict[str, Any], asked_for: str | None) -> tuple[str, ...]:
    service = row["service"] if asked_for else f"{row['provider']} {row['service']}"
    bank = " ".join(part for part in (row["bank_code"], row["bank_name"]) if part)
    return service, row["khut_type"] or "-", row["account"], bank or "-"

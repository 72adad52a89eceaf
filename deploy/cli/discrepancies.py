"""discrepancies: where a provider's books and ours differ."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli import days, output, person, stack
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.known import must_be_provider
from deploy.cli.moments import day
from deploy.cli.output import JsonFlag
from deploy.cli.person import By, Why, said_right
from deploy.cli.resolve import Reason
from shared.domain.roles import Deed

if TYPE_CHECKING:
    from shared.domain.discrepancies import ClosingCode

app = typer.Typer(help="Where a provider's books and ours differ: list it, decide about one, sign a day.")

Number = Annotated[int, typer.Argument(metavar="ID", help="its number in the list")]
Provider = Annotated[str | None, typer.Option(help="only those of this provider")]
Category = Annotated[str | None, typer.Option(help="only those of this category")]
Owner = Annotated[str | None, typer.Option(help="only those that this person is in charge of")]
Everything = Annotated[bool, typer.Option("--all", help="the closed ones too")]


@app.callback(invoke_without_command=True)
def _default(context: typer.Context, as_json: JsonFlag = False) -> None:
    if context.invoked_subcommand is None:
        listed(as_json=as_json)
    elif as_json:
        raise WrongUse(f"--json belongs behind the command: discrepancies {context.invoked_subcommand} --json")


@app.command("list")
def listed(
    provider: Provider = None,
    category: Category = None,
    owner: Owner = None,
    everything: Everything = False,
    as_json: JsonFlag = False,
) -> None:
    """List what is open, the oldest first."""
    _must_exist(provider, category)
    from shared.reconciliation import views

    with stack.connection() as connection:
        rows = views.listed(connection, everything=everything, provider=provider, category=category, owner=owner)
        shown = (_shown(row) for row in rows)
        if as_json:
            output.json_lines(json.dumps(row, ensure_ascii=False) for row in shown)
            return
        columns = (">id", "what", "whose", ">ours", ">theirs", "since (UTC)")
        output.table(columns, (_cells(row) for row in shown))


@app.command()
def show(number: Number, as_json: JsonFlag = False) -> None:
    """Show one: its figures and the evidence."""
    from shared.reconciliation import views

    with stack.connection() as connection:
        found = views.one(connection, _in_range(number))
    if found is None:
        raise Failed(f"there is no discrepancy {number}; see `settlepipe discrepancies`")
    row = _shown(found)
    if as_json:
        output.json_lines([json.dumps(row, ensure_ascii=False)])
        return
    evidence, notes = row.pop("evidence"), row.pop("notes")
    output.table(("field", "value"), ((key, value) for key, value in row.items() if value is not None))
    for name, said in evidence.items():
        output.table((name, ""), _said(said))
    if notes:
        said = [(n["at"][:16].replace("T", " "), n["by"], n["deed"], n["text"] or n["owner"] or "") for n in notes]
        output.table(("at (UTC)", "by", "", "what was said"), said)


@app.command()
def close(
    number: Number,
    reason: Reason,
    by: By = None,
    code: Annotated[str, typer.Option(help="timing, fee, provider_error, our_error or other")] = "other",
) -> None:
    """Close one that is explained. What the books show differently later opens it again."""
    from shared.reconciliation import discrepancies

    with stack.database() as database:
        who = person.named(database, by, Deed.CLOSE)
        said_right(lambda: discrepancies.close(database, _in_range(number), reason=reason, by=who, code=_code(code)))
    print(f"discrepancy {number} is closed")


@app.command()
def reopen(number: Number, reason: Reason, by: By = None) -> None:
    """Open one again that is closed."""
    from shared.reconciliation import discrepancies

    with stack.database() as database:
        who = person.named(database, by, Deed.CLOSE)
        said_right(lambda: discrepancies.reopen(database, _in_range(number), reason=reason, by=who))
    print(f"discrepancy {number} is open again")


@app.command()
def assign(
    number: Number,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="who is in charge of it")],
    due: Annotated[str | None, typer.Option(metavar="D", help="the day by which it is due, like 2026-12-05")] = None,
    reason: Why = None,
    by: By = None,
) -> None:
    """Put somebody in charge of one, until a day."""
    from shared.reconciliation import discrepancies

    until = None if due is None else day(due)
    with stack.database() as database:
        who = person.named(database, by, Deed.ASSIGN)
        said_right(
            lambda: discrepancies.assign(database, _in_range(number), owner=to, due=until, reason=reason, by=who)
        )
    print(f"discrepancy {number} is assigned")


@app.command()
def comment(number: Number, reason: Reason, by: By = None) -> None:
    """Say something about one (--reason): it is kept for ever, and stands in the reports."""
    from shared.reconciliation import discrepancies

    with stack.database() as database:
        who = person.named(database, by, Deed.ASSIGN)
        said_right(lambda: discrepancies.comment(database, _in_range(number), text=reason, by=who))
    print(f"what was said about discrepancy {number} is kept")


app.command("sign")(days.sign)
app.command("days")(days.listed)


def _code(code: str) -> "ClosingCode":
    from shared.domain.discrepancies import ClosingCode

    if code not in list(ClosingCode):
        raise WrongUse(f"there is no closing code {output.safe(code)}; the codes are {', '.join(ClosingCode)}")
    return ClosingCode(code)


def _must_exist(provider: str | None, category: str | None) -> None:
    from shared.domain.discrepancies import Category

    if provider is not None:
        must_be_provider(provider)
    known = [one for one in Category if one is not Category.MATCHED]
    if category is not None and category not in known:
        raise WrongUse(f"there is no category {output.safe(category)}; the categories are {', '.join(known)}")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """As programs see it: amounts are text with all places, none where late evidence alone tells of it."""
    return {
        ("local_amount" if key == "local_minor" else "provider_amount" if key == "provider_minor" else key): (
            _amount(value, row["currency"]) if key.endswith("_minor") else value
        )
        for key, value in row.items()
    }


def _amount(amount_minor: int | None, currency: str | None) -> str | None:
    from shared.domain.money import format_amount

    if amount_minor is None or currency is None:
        return None
    try:
        return format_amount(amount_minor, currency)
    except ValueError:  # the provider's books name a currency that no standard knows
        return f"{amount_minor} minor units"


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    whose = row["payment"] or f"{row['provider']} {row['account']}"
    money = (f"{row[name] or '-'} {row['currency'] or ''}" for name in ("local_amount", "provider_amount"))
    since = row["first_seen"][:16].replace("T", " ")
    owned = f" ({row['owner']}{', due ' + row['due'] if row['due'] else ''})" if row["owner"] else ""
    return row["id"], row["category"] + (" (closed)" if row["resolved_at"] else owned), whose, *money, since


def _said(said: Any) -> list[tuple[object, object]]:
    if isinstance(said, dict):
        return list(said.items())
    if isinstance(said, list):
        return [(place, json.dumps(item, ensure_ascii=False)) for place, item in enumerate(said, 1)]
    return [("", said)]


def _in_range(number: int) -> int:
    if not 0 < number < 2**63:
        raise WrongUse("discrepancies are numbered from 1; see `settlepipe discrepancies`")
    return number

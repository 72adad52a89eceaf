"""discrepancies sign, discrepancies days: who signed which state of a day's books."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from deploy.cli import output, person, stack
from deploy.cli.failures import WrongUse
from deploy.cli.known import must_be_provider
from deploy.cli.moments import day
from deploy.cli.output import JsonFlag
from deploy.cli.person import By, Why, said_right
from shared.domain.discrepancies import short
from shared.domain.roles import Deed


def sign(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER")],
    on: Annotated[str, typer.Option("--date", metavar="D", help="the day, like 2026-11-21")],
    role: Annotated[str, typer.Option("--as", help="prepared or reviewed")],
    books: Annotated[str | None, typer.Option(help="the digest of the books that you saw: others are refused")] = None,
    reason: Why = None,
    *,
    by: By = None,
) -> None:
    """Sign a day: one person prepared it, another one reviewed it. Again, where it changed since."""
    from shared.domain.discrepancies import Signed
    from shared.reconciliation import sign as signing

    must_be_provider(provider)
    signed = day(on)
    if role not in list(Signed):
        raise WrongUse(f"a day is signed --as {' or '.join(Signed)}")
    with stack.database() as database:
        who = person.named(database, by, Deed.SIGN)
        found = said_right(
            lambda: signing.sign(database, provider, signed, Signed(role), by=who, reason=reason, books=books)
        )
    print(f"{signed} of {provider} is {role} as it is now (books {short(found)});")
    print("its report shows it once it is written again:")
    print(f"settlepipe reconcile {provider} --date {signed}")


def listed(
    provider: Annotated[str | None, typer.Option(help="only those of this provider")] = None,
    on: Annotated[str | None, typer.Option("--date", metavar="D", help="this day alone, like 2026-11-21")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="so many days, the newest first")] = 60,
    as_json: JsonFlag = False,
) -> None:
    """List the days that were compared: who signed which state of the books, and how one is signed next."""
    if provider is not None:
        must_be_provider(provider)
    only = None if on is None else day(on)
    from shared.reconciliation import views

    with stack.connection() as connection:
        rows = views.days(connection, None, limit, provider, only=only)
    told = [_day(row) for row in rows]
    if as_json:
        output.json_lines(json.dumps(row, ensure_ascii=False) for row in told)
        return
    for row in told:
        output.entry((row["day"], row["provider"], row["says"]), _signed(row))


def _day(row: dict[str, Any]) -> dict[str, Any]:
    """As programs see it."""
    signed = row.pop("signed")
    versions = [
        {"version": v.version, "books": v.books, "changed": v.changed}
        | {"prepared_by": v.prepared_by, "prepared_at": _utc(v.prepared_at)}
        | {"reviewed_by": v.reviewed_by, "reviewed_at": _utc(v.reviewed_at)}
        for v in signed.versions
    ]
    ready = row["compared"] and row["over"]
    if not ready:
        says = "not compared yet"
    elif signed.again:
        says = "changed since it was signed"
    else:
        says = "signed" if signed.next is None else f"to be {signed.next}"
    told = {"books": signed.books or None, "says": says, "signatures": versions}
    return row | told | {"next": signed.command if ready else None}


def _utc(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _signed(row: dict[str, Any]) -> list[tuple[str, str | None]]:
    lines: list[tuple[str, str | None]] = [("books", short(row["books"] or ""))]
    for one in row["signatures"]:
        by = [f"{role} by {one[f'{role}_by']}" for role in ("prepared", "reviewed") if one[f"{role}_by"]]
        state = "changed since" if one["changed"] else "the same now"
        lines.append((f"v{one['version']}", f"{', '.join(by)} ({short(one['books'] or '-')}, {state})"))
    return [*lines, ("next", row["next"])]

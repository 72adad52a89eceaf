"""reports: those of all machines, where they stand together."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli import output, stack
from deploy.cli.failures import Failed
from deploy.cli.moments import day as parsed
from deploy.cli.output import JsonFlag
from deploy.cli.reconcile import Language, must_be_known
from shared.domain.words import counted

if TYPE_CHECKING:
    from shared.reconciliation.report.place import Place

app = typer.Typer(
    help="The reports of all machines, where they stand together (SETTLEPIPE_REPORT__STORE_URL): list, fetch, push.",
)


@app.command("list")
def list_(as_json: JsonFlag = False) -> None:
    """The days that have a report, the newest first, and of which providers."""
    from shared.reconciliation.report import place

    where = _place()
    found = place.days(where)
    if as_json:
        output.json_lines(
            json.dumps({"day": day, "providers": names, "at": where.of(day)}) for day, names in found.items()
        )
        return
    output.titled(
        f"reports at {where.url}", ("day", "providers"), [(day, ", ".join(one)) for day, one in found.items()]
    )


@app.command()
def fetch(
    day: Annotated[str, typer.Argument(metavar="DAY", help="like 2026-11-21")],
    provider: Annotated[str | None, typer.Argument(metavar="PROVIDER", help="every one, if not said")] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="where it goes, DIR/<day>/<provider>")] = Path(),
) -> None:
    """Bring a day's reports here."""
    from shared.reconciliation.report import place

    parsed(day)
    found = place.copies(_place(), out.expanduser().absolute(), *((day,) if provider is None else (day, provider)))
    if not found:
        raise Failed(f"no report of {day} stands there; `settlepipe reports list` shows which do")
    print(f"{counted(len(found), 'file', 'files')} in {output.safe(found[0].parents[1])}")


@app.command()
def push(
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="reports of this day and later; all, if not said")
    ] = None,
    locale: Annotated[str | None, typer.Option(help="of the index's numbers and dates; the environment's")] = None,
    language: Language = None,
) -> None:
    """Put the reports of this machine's HOME there, as after a night in which the place could not be reached."""
    from shared.reconciliation.report import place

    must_be_known(language, locale)
    first = None if since is None else parsed(since)
    where = _place()
    settings = stack.settings()
    root = settings.home.expanduser().absolute() / "reports"
    done = 0
    with output.status() as show:
        for summary in sorted(root.glob(f"????-??-??/*/{place.SUMMARY}")):
            day, provider = summary.parts[-3:-1]
            if first is None or parsed(day) >= first:
                show(f"{day} {provider}")
                if place.has_newer(where, summary.parent, day, provider):
                    output.note(f"settlepipe: {day} {provider}: another machine compared it later; left as it is there")
                    continue
                place.put(where, summary.parent, day, provider)
                done += 1
        place.index(where, locale, language or settings.report.language)
    print(f"{counted(done, 'report', 'reports')} at {output.safe(where.url)}")


def _place() -> "Place":
    from shared.reconciliation.report.place import place

    found = place(stack.settings().report)
    if found is None:
        raise Failed("reports stand in each machine's HOME alone; SETTLEPIPE_REPORT__STORE_URL names a place for all")
    return found

"""statement: a month, a quarter or a year of a provider's nights."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli import output, stack
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.known import must_be_provider
from deploy.cli.output import JsonFlag
from deploy.cli.reconcile import CsvLocale, Language, must_be_known

if TYPE_CHECKING:
    from shared.database.engine import Database
    from shared.reconciliation.statement.period import Span

ALL = "all"

Month = Annotated[str | None, typer.Option(metavar="YYYY-MM", help="the month, like 2026-11")]
Quarter = Annotated[str | None, typer.Option(metavar="YYYY-QN", help="the quarter, like 2026-Q4")]
Year = Annotated[str | None, typer.Option(metavar="YYYY", help="the year")]


def statement(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER|all")],
    *,
    month: Month = None,
    quarter: Quarter = None,
    year: Year = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="where it goes, DIR/<provider>")] = None,
    locale: Annotated[str | None, typer.Option(help="of numbers and dates, like ka_GE; the environment's")] = None,
    language: Language = None,
    csv_locale: CsvLocale = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the statement of a period: what was open, came, was closed and is open, and days that add up.

    Without a period it is the newest month of which a day was compared.

    Its files are in HOME/reports/statements/<period>/<provider>/: a page, a workbook, CSV files and a summary; and
    where the reports of all machines stand, if that is set and no --out is given.

    It is written from what the nights kept, which `settlepipe reconcile` compares. Exit status: 1 when no day of the
    period was compared.
    """
    asked = _asked({"month": month, "quarter": quarter, "year": year})
    from shared.providers.registry import REGISTRATIONS
    from shared.reconciliation.report import place
    from shared.reconciliation.statement.write import Nothing, write

    must_be_known(language, locale, csv_locale)
    if provider != ALL:
        must_be_provider(provider)
    names = [name for name, known in REGISTRATIONS.items() if known.has_statement and provider in (ALL, name)]
    settings = stack.settings()
    together = None if out else place.place(settings.report)
    given: dict[str, Any] = {"locale": locale, "language": language or settings.report.language}
    given["csv_locale"] = csv_locale or settings.report.csv_locale
    written = 0
    with stack.database() as database:
        span = asked or _newest(database, provider)
        root = (out or settings.home / "reports" / "statements" / span.name).expanduser().absolute()
        for name in names:
            try:
                told = write(database, REGISTRATIONS[name], span, root / name, **given)
            except Nothing as error:
                output.note(f"settlepipe: {error}")
                continue
            written += 1
            page = str(root / name / "statement.html")
            if together is not None:
                page = f"{place.put(together, root / name, 'statements', span.name, name)}/statement.html"
            _show(told, page, as_json)
    if not written:
        raise Failed(f"there is no statement of {span.name}: compare its days with `settlepipe reconcile` first")


def _asked(asked: dict[str, str | None]) -> "Span | None":
    from shared.reconciliation.statement.period import span

    given = [(kind, text) for kind, text in asked.items() if text is not None]
    if len(given) > 1:
        raise WrongUse("say which period: one of --month 2026-11, --quarter 2026-Q4, --year 2026")
    try:
        return span(*given[0]) if given else None
    except ValueError as error:
        raise WrongUse(output.safe(str(error))) from None


def _newest(database: "Database", provider: str) -> "Span":
    from shared.reconciliation.statement.period import span
    from shared.reconciliation.views import months

    with database.connection() as connection:
        found = months(connection, None if provider == ALL else provider)
    if not found:
        raise Failed("no day was compared yet: compare one with `settlepipe reconcile` first")
    return span("month", found[0])


def _show(told: dict[str, Any] | Any, page: str, as_json: bool) -> None:
    if as_json:
        output.json_lines([json.dumps(told | {"statement": page}, ensure_ascii=False)])
        return
    columns = ("", "currency", ">entries", ">our books", ">their books", ">difference")
    rows = [
        (name, one["currency"], one["entries"], one["our_books"], one["providers_books"], one["difference"])
        for name, key in (("the days", "sums"), ("earlier days", "changes_of_earlier_days"))
        for one in told[key]
    ]
    output.titled(f"{told['title']} {told['period']}", columns, rows)
    moves = ("currency", ">before", ">new", ">closed", ">open", ">in question")
    output.table(
        moves,
        [
            (m["currency"] or "-", m["opening"], m["new"], m["closed"], m["open"], m["open_in_question"])
            for m in told["discrepancies"]
        ],
    )
    if told["missing_days"]:
        print(f"not in it, or not in full: {', '.join(told['missing_days'])}")
    print(f"the statement: {output.safe(page)}")

"""reconcile: our books beside the providers'."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli import output, stack
from deploy.cli.failures import Failed, WrongUse, explain
from deploy.cli.known import must_be_provider
from deploy.cli.moments import day as parsed
from deploy.cli.output import JsonFlag
from shared.domain.words import counted

if TYPE_CHECKING:
    from shared.reconciliation.run import Progress
    from shared.reconciliation.tell import Outcome
    from shared.runtime import Runtime

ALL = "all"
Language = Annotated[
    str | None,
    typer.Option(help="of pages, workbooks and mails: en, mn, ka, ru, tr, uz or fr; SETTLEPIPE_REPORT__LANGUAGE"),
]
CsvLocale = Annotated[
    str | None,
    typer.Option(help="whose decimal mark and separator the CSV files have, like tr; SETTLEPIPE_REPORT__CSV_LOCALE"),
]
NEW_DISCREPANCIES = 3  # the exit status


def reconcile(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER|all")],
    *,
    day: Annotated[
        str | None, typer.Option("--date", metavar="D", help="the last day that is over, if not said")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="compare the same lines anew, with what we know now")] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="where the report goes")] = None,
    locale: Annotated[str | None, typer.Option(help="of numbers and dates, like ka_GE; the environment's")] = None,
    language: Language = None,
    csv_locale: CsvLocale = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare a day with a provider's books and write the report, HOME/reports/<day>/<provider>/report.html.

    With --out its files are in DIR; of all providers in DIR/<day>/<provider>.

    Exit status: 0 no new discrepancy, 3 new ones, 1 a provider's books could not be compared, or not all of them.
    """
    wanted = None if day is None else parsed(day)
    must_be_known(language, locale, csv_locale)
    outcomes: list[Outcome] = []
    with stack.runtime(pool_size=4) as runtime:
        names = _names(runtime, provider)
        for name in names:
            try:
                to = None if out is None else out.expanduser().absolute()
                root = to if provider == ALL else None
                given = {"again": again, "locale": locale, "language": language, "csv_locale": csv_locale}
                outcomes.append(_reconcile(runtime, name, wanted, out=to, root=root, **given))
            except Exception as error:
                if provider != ALL:
                    raise
                output.note(f"settlepipe: {name}: {explain(error)[1]}")  # the others are compared all the same
                continue
            _show(outcomes[-1], as_json)
    unread = [outcome.run for outcome in outcomes if not outcome.run.complete]
    for run in unread:
        missing = output.safe(run.missing)
        output.note(f"settlepipe: {run.provider}: not all of the books could be read, run it again later: {missing}")
    if unread or len(outcomes) < len(names):
        raise typer.Exit(1)
    if any(outcome.fresh for outcome in outcomes):
        raise typer.Exit(NEW_DISCREPANCIES)


def _reconcile(
    runtime: "Runtime",
    name: str,
    day: date | None,
    *,
    out: Path | None,
    root: Path | None,
    **given: Any,
) -> "Outcome":
    """out: where the report goes; root: of the days and providers, where there are more than one."""
    from shared.reconciliation import run

    chosen = day or run.last_day(runtime, name)
    folder = root / chosen.isoformat() / name if root else out
    with _progress(name) as progress:
        return run.reconcile(runtime, name, chosen, folder=folder, index=root, progress=progress, **given)


def must_be_known(language: str | None, *locales: str | None) -> None:
    """Raises WrongUse for a language or locale that is not."""
    from shared.languages import known
    from shared.reconciliation.report.figures import reader_locale

    try:
        known(language)
        for one in locales:
            reader_locale(one)
    except ValueError as error:
        raise WrongUse(str(error)) from None


def _names(runtime: "Runtime", provider: str) -> list[str]:
    from shared.reconciliation.run import providers

    names = list(providers(runtime))
    if provider == ALL:
        if not names:
            raise Failed("no provider with books is on; set SETTLEPIPE_<PROVIDER>__BASE_URL to turn one on")
        return names
    must_be_provider(provider)
    if provider not in runtime.connected:
        raise Failed(f"provider {provider} is off; set SETTLEPIPE_{provider.upper()}__BASE_URL to turn it on")
    if provider not in names:
        raise WrongUse(f"{provider} takes no payments: there are no books to compare")
    return [provider]


def _show(outcome: "Outcome", as_json: bool) -> None:
    from shared.reconciliation.tell import summary

    told: dict[str, Any] = summary(outcome)
    report = outcome.report
    if as_json:
        output.json_lines([json.dumps(told | {"report": report}, ensure_ascii=False)])
        return
    columns = ("category", ">entries", "currency", ">our books", ">their books")
    rows = [
        (one["category"], one["entries"], sums["currency"], one["our_books"], one["provider_books"])
        for sums in told["sums"]
        for one in sums["categories"]
    ]
    fresh = counted(told["new"], "new discrepancy", "new discrepancies")
    title = f"{told['title']} {told['day']}: {fresh}, {told['open']} open"
    output.titled(title, columns, rows)
    if outcome.run.odd_rows:
        print(outcome.run.odd_rows)
    print(f"the report: {output.safe(report)}")


@contextmanager
def _progress(name: str) -> "Iterator[Progress]":
    """A bar on a terminal's stderr, nothing elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = output.console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(name, total=None)
        yield lambda what, done, total: shown.update(task, description=f"{name}: {what}", completed=done, total=total)

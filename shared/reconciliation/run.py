"""run: one provider's books of one day compared with ours, from reading them to telling people.

One process at a time does it for a provider. Each step is committed before the next, and may be done again:

  it dies                     then the next start
  while reading the books     reads on where the last page was kept
  before or in the comparison compares the same lines
  after the comparison        goes on with what was found: evidence, discrepancies, report, mail, event
  between mail and its mark   sends the mail again, with the same Message-ID
  after it was done           writes the same report again from what it kept, whatever happened since; a part of the
                              books that could not be read is read first

A day that is not over may be looked at, too: that is begun anew each time, and once more when the day is over.

Only `again` compares what was compared: the same lines, with what we know now.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from shared.database import clock
from shared.domain.discrepancies import Reconciliation
from shared.domain.records import Period
from shared.reconciliation import compare, discrepancies, evidence, fetch, report, tell
from shared.reconciliation.store import nights, runs
from shared.reconciliation.tell import Outcome
from shared.reconciliation.turn import turn
from shared.runtime import Runtime
from shared.telemetry.logs import bound, get_logger

log = get_logger(__name__)

Progress = fetch.Progress


class NotCompared(Exception):  # noqa: N818 - says what happened
    """This day can't be compared. The message says why, and what can."""


def providers(runtime: Runtime) -> Sequence[str]:
    """The providers that are on and whose books can be read."""
    return [name for name, connected in runtime.connected.items() if connected.statement is not None]


def reports(runtime: Runtime) -> Path:
    """The folder of the reports, one folder a day in it, one of each provider in that."""
    return runtime.settings.home.expanduser().absolute() / "reports"


def last_day(runtime: Runtime, provider: str) -> date:
    """The newest day that is over, in the provider's time zone."""
    zone = ZoneInfo(runtime.registrations[provider].zone)
    with runtime.database.connection() as connection:
        return clock.now(connection).astimezone(zone).date() - timedelta(days=1)


def period(zone: str, day: date) -> Period:
    """The day as moments: from its midnight, before the next day's."""
    start, end = (datetime.combine(one, time(), ZoneInfo(zone)) for one in (day, day + timedelta(days=1)))
    return Period(start, end, zone)


def reconcile(
    runtime: Runtime,
    provider: str,
    day: date,
    *,
    again: bool = False,
    folder: Path | None = None,
    index: Path | None = None,
    locale: str | None = None,
    language: str | None = None,
    csv_locale: str | None = None,
    progress: Progress = lambda *_: None,
) -> Outcome:
    """Compare this day, or go on where it was left, and write its report.

    folder: for its files, else `<day>/<provider>` where all reports are, and where those of all machines are. index:
    the folder of folders whose index page is written anew; where all reports are when no folder is given.
    again: compare the same lines anew, if they were compared. locale, language, csv_locale: as `report.write` has them.
    Raises turn.Busy, NotCompared; psycopg.OperationalError when PostgreSQL went away or the turn was lost: start again.
    """
    shared = folder is None
    if folder is None:
        index = reports(runtime)
        folder = index / day.isoformat() / provider
    language = language or runtime.settings.report.language
    with turn(runtime.database, provider) as mine, bound(provider=provider):
        runtime, held = replace(runtime, database=mine.database), mine.held
        run = _opened(runtime, provider, day, again)
        if again or run.state != "done":
            run = _compared(runtime, run, held, again, progress)
            held()
            evidence.use(runtime, run)
            held()
        fresh = discrepancies.update(runtime, run)  # once for a comparison: then what it kept is told again
        held()
        report.write(runtime, run, folder, locale, language=language, csv_locale=csv_locale)
        if index is not None:
            report.write_index(index, locale, language)
        held()
        with runtime.database.connection() as connection:
            outcome = Outcome(run, fresh, nights.open_discrepancies(connection, run.id), folder)
        outcome = replace(outcome, kept_at=tell.keep(runtime, outcome, locale, language) if shared else None)
        held()
        tell.mail(runtime, outcome, locale, language)
        held()
        with runtime.database.transaction() as connection:
            nights.finish(connection, run.id, tell.summary(outcome))
    log.info("books compared", day=day.isoformat(), lines=run.lines, fresh=fresh, open=outcome.open)
    return outcome


def _opened(runtime: Runtime, provider: str, day: date, again: bool = False) -> Reconciliation:
    when = period(runtime.registrations[provider].zone, day)
    with runtime.database.transaction() as connection:
        now = clock.now(connection)
        if now < when.start:
            raise NotCompared(f"{day} has not begun in {when.zone}")
        run = runs.open_run(connection, provider, day, when)
        if not run.over and (run.state == "done" or now >= when.end):
            nights.begin_anew(connection, run.id)
            return runs.get(connection, run.id)
        forgotten = nights.forgotten(connection, run.id)
        if forgotten and again:
            raise NotCompared(
                f"the lines of {provider} that were compared for {day} are no longer kept; its report tells what was"
            )
        if run.state == "done" and not run.complete and not forgotten:
            nights.reopen(connection, run.id)
            run = runs.get(connection, run.id)
        return run


def _compared(
    runtime: Runtime, run: Reconciliation, held: Callable[[], None], again: bool, progress: Progress
) -> Reconciliation:
    if run.state == "fetching":
        run = fetch.fetch(runtime, run, progress)
        held()
    return compare.compare(runtime, run) if again or run.state == "fetched" else run

"""tell: what came of a comparison, for programs and in a mail. Nothing here fails a run."""

import json
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from html import escape
from pathlib import Path
from typing import Any

from shared.database.engine import AWAY
from shared.domain.discrepancies import Reconciliation, Total
from shared.domain.words import mark
from shared.messaging import mail as mailing
from shared.reconciliation.report.figures import Reader, reader
from shared.reconciliation.report.words import WORDS
from shared.reconciliation.store import nights
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run. fresh: open discrepancies that it was the first to find; open: all of the provider's.

    kept_at: the address of its report where those of all machines stand; None where that is nowhere.
    """

    run: Reconciliation
    fresh: int
    open: int
    folder: Path
    kept_at: str | None = None

    @property
    def report(self) -> str:
        """Where people find the page."""
        return f"{self.kept_at}/report.html" if self.kept_at else str(self.folder / "report.html")


def summary(outcome: Outcome) -> dict[str, Any]:
    """For programs, the event's data and the command's `--json`: the report's own summary without its times.

    No account, name or reference stands in it. Raises OSError, ValueError when somebody spoilt the report.
    """
    told: dict[str, Any] = json.loads((outcome.folder / "summary.json").read_bytes())
    return {name: value for name, value in told.items() if name not in ("times", "hours")} | {
        "new": outcome.fresh,
        "open": outcome.open,
    }


def keep(runtime: Runtime, outcome: Outcome, locale: str | None, language: str | None = None) -> str | None:
    """Put the report where those of all machines stand, and the index over it; its address, None where it is not there.

    What can't be put there is an alert: `settlepipe reports push` does it later.
    """
    settings = runtime.settings.report
    if settings.store_url is None:
        return None
    from shared.reconciliation.report import place  # noqa: PLC0415 - see there

    try:
        to = place.place(settings)
        if to is None:
            return None
        kept_at = place.put(to, outcome.folder, outcome.run.day.isoformat(), outcome.run.provider)
    except place.Unkept as error:
        alert(Alert.REPORT_NOT_KEPT, "a report is on its own machine only", reason=str(error))
        return None
    try:
        place.index(to, locale, language or settings.language)
    except place.Unkept as error:
        alert(Alert.REPORT_NOT_KEPT, "the index over all machines' reports lacks one", reason=str(error))
    return kept_at


def mail(runtime: Runtime, outcome: Outcome, locale: str | None, language: str | None = None) -> bool:
    """Mail the summary, if a server is set and it was not mailed before; True when that was done now.

    A mail that can't be sent is an alert; the next start for that day sends it.
    """
    settings = runtime.settings.report
    with runtime.database.connection() as connection:
        if settings.smtp_url is None or not nights.to_mail(connection, outcome.run.id):
            return False
    try:
        written = message(runtime, outcome, locale, language)
        refused = mailing.send(
            settings.smtp_url, written, parseaddr(settings.sender)[1], settings.recipients, settings.smtp_timeout_s
        )
        with runtime.database.connection() as connection:
            nights.mailed(connection, outcome.run.id)
    except AWAY:
        raise
    except Exception as error:  # whatever it is: the comparison stands without a mail
        reason = str(error) if isinstance(error, mailing.Unsent) else type(error).__name__
        alert(Alert.REPORT_MAIL_FAILED, "a report could not be mailed; comparing its day again does it", reason=reason)
        return False
    if refused:
        alert(Alert.REPORT_MAIL_REFUSED, "the mail server refused some of the recipients", recipients_count=refused)
    return True


def message(runtime: Runtime, outcome: Outcome, locale: str | None, language: str | None = None) -> EmailMessage:
    """The mail: as text, and as HTML that needs nothing from elsewhere. language: None: as the settings say."""
    run, settings = outcome.run, runtime.settings.report
    registration = runtime.registrations[run.provider]
    reads = reader(registration.zone, locale, language or settings.language)
    headline, part = _headline(outcome, reads), "" if run.complete else " " + reads.say("(a part of the books)")
    lines = [f"{registration.title}, {reads.day(run.day, 'full')} ({registration.zone})", headline]
    if not run.complete:
        lines.append(reads.say("Not all of the books could be read: %(missing)s", missing=run.missing))
    if odd := run.unreadable:
        said = reads.many(
            "%(count)s row of strangers could not be read",
            "%(count)s rows of strangers could not be read",
            odd,
            count=odd,
        )
        lines.append(f"{said}.")
    where = reads.say("The report: %(path)s", path=outcome.report)
    columns = tuple(map(reads.say, _COLUMNS))
    rows = [_cells(total, reads) for total in run.totals]

    written = EmailMessage()
    written["Subject"] = f"{run.provider} {run.day.isoformat()}: {headline.rstrip('.')}{part}"
    written["From"], written["To"] = settings.sender, settings.to
    written["Date"] = formatdate(localtime=True)
    domain = parseaddr(settings.sender)[1].rpartition("@")[2]
    # The same on a repeat: mail programs show it once.
    kind = "whole" if run.complete else "part"
    written["Message-ID"] = f"<settlepipe.{run.provider}.{run.day.isoformat()}.{kind}@{domain}>"
    written["Auto-Submitted"] = "auto-generated"
    written.set_content("\n\n".join([*lines, *(_in_words(columns, cells) for cells in rows), where]) + "\n")
    written.add_alternative(_html(reads.speaks, lines, columns, rows, where), subtype="html")
    return written


def _headline(outcome: Outcome, reader: Reader) -> str:
    if outcome.open == 0:
        return reader.say("no discrepancy is open.")
    open_ones = reader.count(outcome.open)
    return reader.many(
        "%(count)s new discrepancy, %(open)s open.",
        "%(count)s new discrepancies, %(open)s open.",
        outcome.fresh,
        open=open_ones,
    )


_COLUMNS = (mark("Result"), mark("Payments"), mark("Currency"), mark("Our books"), mark("Provider's books"))


def _cells(total: Total, reader: Reader) -> tuple[str, ...]:
    ours, theirs = (reader.amount(minor, total.currency) for minor in (total.local_minor, total.provider_minor))
    return (reader.say(WORDS[total.category].title), reader.count(total.count), total.currency, ours, theirs)


def _in_words(columns: tuple[str, ...], cells: tuple[str, ...]) -> str:
    return "\n  ".join([cells[0], *(f"{name}: {cell}" for name, cell in zip(columns[1:], cells[1:], strict=True))])


def _html(language: str, lines: list[str], columns: tuple[str, ...], rows: list[tuple[str, ...]], where: str) -> str:
    pad, right = "padding:4px 12px 4px 0", "padding:4px 12px 4px 0;text-align:right"
    styles = (pad, right, pad, right, right)
    head = "".join(f'<th style="{s}">{escape(name)}</th>' for s, name in zip(styles, columns, strict=True))
    body = "".join(
        "<tr>" + "".join(f'<td style="{s}">{escape(c)}</td>' for s, c in zip(styles, cells, strict=True)) + "</tr>"
        for cells in rows
    )
    said = "".join(f"<p>{escape(line)}</p>" for line in lines)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    return f'<!doctype html><html lang="{language}"><body>{said}{table}<p>{escape(where)}</p></body></html>'

"""The report of one run, for accountants: report.html, report.xlsx, discrepancies.csv, carried.csv, payments.csv,
summary.json; and the index.

Written from what the run left in the database, so that writing it again gives the same bytes, whatever happened since.
Of another comparison only the times differ: in report.html between two comments `times`, in summary.json under `times`.
Who signed the day by the time of writing, and whether it changed since, stands between two comments `signed`.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from shared.domain.cells import BYTE_ORDER_MARK
from shared.domain.discrepancies import Reconciliation
from shared.domain.money import places
from shared.reconciliation.report import night, sheets
from shared.reconciliation.report.figures import reader
from shared.reconciliation.report.files import whole
from shared.reconciliation.report.index import write_index as write_index
from shared.reconciliation.report.page import page
from shared.reconciliation.report.picture import gather
from shared.reconciliation.report.summary import as_bytes, summary
from shared.reconciliation.report.words import WORDS
from shared.reconciliation.store import copies, reports, runs, signatures
from shared.runtime import Runtime

FILES = ("report.html", "report.xlsx", "discrepancies.csv", "carried.csv", "payments.csv", "summary.json")
_BYTE_ORDER_MARK = BYTE_ORDER_MARK.encode()


def write(
    runtime: Runtime,
    run: Reconciliation,
    folder: Path,
    locale: str | None = None,
    *,
    language: str | None = None,
    csv_locale: str | None = None,
    only: Collection[str] = FILES,
) -> None:
    """Write FILES of a run, or some of them, into `folder`; each is there whole or not at all, summary.json last.

    locale: how the reader writes numbers and dates (`de`, `ka_GE`); None: as the environment says, or the language.
    language: of the page and the workbook; csv_locale: whose decimal mark and separator the CSV files have; None: as
    the settings say. CSV files and the summary are for programs: their words stay English. Memory does not grow with
    the number of payments. Where the payments that were compared are no longer kept, payments.csv and the workbook are
    left as they are. Raises ValueError for an unknown locale or language, or a run that was not compared, or did not
    carry the list on.
    """
    settings = runtime.settings.report
    form = sheets.form_of(csv_locale or settings.csv_locale)
    if run.compared_at is None:
        raise ValueError(f"the run of {run.provider} for {run.day} was not compared yet: there is nothing to report")
    known = runtime.registrations[run.provider]
    reads = reader(known.zone, locale, language or settings.language)
    titles = {str(category): words.title for category, words in WORDS.items()}
    with reports.snapshot(runtime.database) as connection:
        kept = reports.kept(connection, run.id)
        if kept.carried_at is None:
            raise ValueError(f"the run of {run.provider} for {run.day} has not carried the list on yet")
        picture = gather(connection, run, kept, known.title, known.zone)
        signed = signatures.of_day(connection, run.provider, run.day)
        digits = _digits(reports.currencies(connection, run.id))
        if kept.payments and "payments.csv" in only:
            with whole(folder / "payments.csv") as file:
                file.write(_BYTE_ORDER_MARK)
                copies.payments(connection, run, known.zone, form, file.write)
        for name, copy in (("discrepancies.csv", copies.findings), ("carried.csv", copies.carried)):
            if name in only:
                with whole(folder / name) as file:
                    file.write(_BYTE_ORDER_MARK)
                    copy(connection, run, places=digits, titles=titles, form=form, write=file.write)
        if "report.xlsx" in only:
            of_it = night.Kept(kept.carried_at, kept.payments, settings.workbook_payments)
            night.write(connection, picture, of_it, reads, folder / "report.xlsx")
    if "report.html" in only:
        with whole(folder / "report.html") as file:
            file.write(page(picture, reads, kept.carried_at, signed).encode())
    if "summary.json" in only:
        with whole(folder / "summary.json") as file:
            file.write(as_bytes(summary(picture, kept.carried_at)))


def as_page(runtime: Runtime, run_id: int, language: str | None = None) -> str:
    """report.html of this run as it would be written now, in this language. Raises as `write` does, and LookupError."""
    with reports.snapshot(runtime.database) as connection:
        run = runs.get(connection, run_id)
        known = runtime.registrations[run.provider]
        reads = reader(known.zone, None, language or runtime.settings.report.language)
        kept = reports.kept(connection, run.id)
        if kept.carried_at is None:
            raise ValueError(f"the run of {run.provider} for {run.day} has not carried the list on yet")
        picture = gather(connection, run, kept, known.title, known.zone)
        signed = signatures.of_day(connection, run.provider, run.day)
    return page(picture, reads, kept.carried_at, signed)


def write_one(runtime: Runtime, run_id: int, name: str, folder: Path, language: str | None = None) -> Path | None:
    """One of FILES of this run as it would be written now, in `folder`; None where what it is made from is no longer
    kept. Raises as `write` does, and LookupError."""
    with runtime.database.connection() as connection:
        run = runs.get(connection, run_id)
    write(runtime, run, folder, language=language, only=(name,))
    return folder / name if (folder / name).is_file() else None


def _digits(currencies: list[str]) -> Mapping[str, int]:
    """Decimal places; none of a currency that nobody knows: its minor units are shown."""
    digits = dict.fromkeys(currencies, 0)
    for currency in currencies:
        with suppress(ValueError):
            digits[currency] = places(currency)
    return digits

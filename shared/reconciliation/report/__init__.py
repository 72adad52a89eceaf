"""The report of one run, for accountants: report.html, discrepancies.csv, payments.csv, summary.json; and the index.

Written from what the run left in the database, so that writing it again gives the same bytes. What differs are times
of writing and comparing: in report.html between two comments `times`, in summary.json under `times`.
"""

from datetime import UTC, datetime
from pathlib import Path

from shared.domain.cells import BYTE_ORDER_MARK
from shared.domain.discrepancies import Reconciliation
from shared.domain.money import places
from shared.reconciliation.report.figures import reader_locale
from shared.reconciliation.report.files import whole
from shared.reconciliation.report.index import write_index as write_index
from shared.reconciliation.report.page import page
from shared.reconciliation.report.picture import gather
from shared.reconciliation.report.summary import as_bytes, summary
from shared.reconciliation.report.words import WORDS
from shared.reconciliation.store import reports
from shared.runtime import Runtime

_BYTE_ORDER_MARK = BYTE_ORDER_MARK.encode()


def write(runtime: Runtime, run: Reconciliation, folder: Path, locale: str | None = None) -> None:
    """Write the four files of a compared run into `folder`; each is there whole or not at all, summary.json last.

    locale: how the reader writes numbers and dates (`de`, `ka_GE`); None: as the environment says. Memory does not
    grow with the number of payments. Raises ValueError for an unknown locale, or a run that was not compared.
    """
    reader = reader_locale(locale)
    if run.compared_at is None:
        raise ValueError(f"the run of {run.provider} for {run.day} was not compared yet: there is nothing to report")
    known = runtime.registrations[run.provider]
    written_at = datetime.now(UTC)
    digits = {total.currency: places(total.currency) for total in run.totals}
    titles = {str(category): words.title for category, words in WORDS.items()}
    with reports.snapshot(runtime.database) as connection:
        picture = gather(connection, run, known.title, known.zone)
        with whole(folder / "payments.csv") as file:
            file.write(_BYTE_ORDER_MARK)
            reports.copy_payments(connection, run.id, file.write)
        with whole(folder / "discrepancies.csv") as file:
            file.write(_BYTE_ORDER_MARK)
            reports.copy_findings(connection, run.id, known.zone, places=digits, titles=titles, write=file.write)
    with whole(folder / "report.html") as file:
        file.write(page(picture, reader, written_at).encode())
    with whole(folder / "summary.json") as file:
        file.write(as_bytes(summary(picture, written_at)))

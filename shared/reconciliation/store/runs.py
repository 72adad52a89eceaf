"""Runs of the nightly comparison: opened or resumed, fed with the provider's lines, read by the report."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from shared.archive.twins import every
from shared.database import foreign
from shared.database.engine import Connection, Row
from shared.database.rows import SIGNED_MINOR, whole
from shared.database.statements import statements
from shared.domain.discrepancies import Category, Compared, Finding, Reconciliation, Total
from shared.domain.records import BookLine, Period
from shared.domain.reference import is_reference

_SQL = statements(__file__)


_COLUMNS = """id, provider, day, period_from, period_to, state, complete, missing, lines, unreadable, unread,
    started_at, fetched_at, compared_at, totals"""

_OPEN = f"""
INSERT INTO reconciliations AS r (provider, day, period_from, period_to) VALUES (%s, %s, %s, %s)
ON CONFLICT (provider, day) DO UPDATE SET day = r.day RETURNING {_COLUMNS}
"""

_COMPARED = f"""
SELECT c.payment_id, p.source, p.intent_id, p.operation, c.state, c.category, c.currency,
    {SIGNED_MINOR} AS signed_minor,
    c.local_minor, c.provider_minor, p.sent_reference, c.account, coalesce(c.finished_at, p.created_at) AS at
FROM reconciled_payments c JOIN {every("payments")} p ON p.id = c.payment_id
WHERE c.run_id = %s ORDER BY c.payment_id
"""
_PAGE = 5000
TEXT_LIMIT = 200  # characters of a text in the books that are kept


def open_run(connection: Connection, provider: str, day: date, period: Period) -> Reconciliation:
    """The run of this provider and day: begun now in state `fetching`, or as its last start left it."""
    row = connection.execute(_OPEN, (provider, day, period.start, period.end)).fetchone()
    assert row is not None  # noqa: S101 - an upsert always returns its row
    return _run(row)


def get(connection: Connection, run_id: int) -> Reconciliation:
    """The run as it is now. Raises LookupError when there is none."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM reconciliations WHERE id = %s", (run_id,)).fetchone()
    if row is None:
        raise LookupError(f"there is no run {run_id}")
    return _run(row)


def lock(connection: Connection, run_id: int) -> Reconciliation:
    """The same, locked until the transaction ends. Raises LookupError."""
    connection.execute("SELECT 1 FROM reconciliations WHERE id = %s FOR UPDATE", (run_id,))
    return get(connection, run_id)


def position(connection: Connection, run_id: int) -> Mapping[str, Any] | None:
    """Where the fetch goes on; None at its beginning."""
    row = connection.execute("SELECT position FROM reconciliations WHERE id = %s", (run_id,)).fetchone()
    return None if row is None else row["position"]


def keep(
    connection: Connection,
    run_id: int,
    lines: Iterable[BookLine],
    *,
    accounts: Iterable[str] = (),
    position: Mapping[str, Any] | None,
    unreadable: int = 0,
) -> int:
    """Write a chunk of lines with COPY, the accounts that were read whole with them (also those without a line), and
    the position after them; how many lines. To be called in one transaction.

    accounts: may be a mapping to how many of an account's rows could not be read. unreadable: how many could not in
    all of the chunk.

    Only a payment whose account is among `accounts` is compared. Raises RuntimeError when the run is not `fetching`.
    """
    row = connection.execute("SELECT lines, state FROM reconciliations WHERE id = %s FOR UPDATE", (run_id,)).fetchone()
    if row is None or row["state"] != "fetching":
        raise RuntimeError(f"run {run_id} is not being fetched")
    number = row["lines"]
    with connection.cursor() as cursor:
        with cursor.copy(_COPY_LINES) as copy:
            for line in lines:
                number += 1
                copy.write_row(_line(run_id, number, line))
        odd = accounts if isinstance(accounts, Mapping) else {}
        with cursor.copy("COPY provider_accounts (run_id, account, unreadable) FROM STDIN") as copy:
            for account in accounts:
                copy.write_row((run_id, foreign.text(account, TEXT_LIMIT), odd.get(account, 0)))
    connection.execute(
        "UPDATE reconciliations SET lines = %s, position = %s::jsonb, unreadable = unreadable + %s WHERE id = %s",
        (number, None if position is None else json.dumps(position), unreadable, run_id),
    )
    return int(number - row["lines"])


def fetched(connection: Connection, run_id: int, missing: str | None = None) -> Reconciliation:
    """All that could be read was; missing: what could not, as a sentence. Safe to repeat."""
    connection.execute(
        """UPDATE reconciliations SET state = 'fetched', fetched_at = clock(), complete = %s, missing = %s
        WHERE id = %s AND state = 'fetching'""",
        (missing is None, foreign.text(missing), run_id),
    )
    return get(connection, run_id)


def findings(connection: Connection, run_id: int) -> Iterator[Finding]:
    """What the run found that is not simply matched, in an order that is always the same, in constant memory."""
    for row in _streamed(connection, _SQL["findings"], run_id):
        yield Finding(**(whole(row) | {"category": Category(row["category"])}))


def payments(connection: Connection, run_id: int) -> Iterator[Compared]:
    """The payments that the run looked at, the oldest first, in constant memory."""
    for row in _streamed(connection, _COMPARED, run_id):
        yield Compared(**(row | {"category": Category(row["category"])}))


_COPY_LINES = """
COPY provider_lines (run_id, number, kind, account, marker, ours, amount_minor, currency, at, reference, status,
    touched) FROM STDIN
"""


def _line(run_id: int, number: int, line: BookLine) -> Sequence[object]:
    return (
        run_id,
        number,
        line.kind,
        foreign.text(line.account, TEXT_LIMIT),
        foreign.text(line.marker, TEXT_LIMIT),
        line.marker is not None and is_reference(line.marker),
        line.amount_minor,
        line.currency,
        line.at,
        foreign.text(line.reference, TEXT_LIMIT),
        foreign.text(line.status, TEXT_LIMIT),
        line.touched,
    )


def _run(row: Row) -> Reconciliation:
    totals = tuple(Total(**(total | {"category": Category(total["category"])})) for total in row["totals"] or ())
    return Reconciliation(**(row | {"totals": totals}))


def _streamed(connection: Connection, statement: str, run_id: int) -> Iterator[Row]:
    with connection.transaction(), connection.cursor(name="rows") as cursor:
        cursor.itersize = _PAGE
        cursor.execute(statement, (run_id,))
        yield from cursor

"""What a run's files hold: every row that the run left, streamed with COPY in constant memory, with a heading."""

import json
from collections.abc import Callable, Mapping

from shared.archive.twins import every
from shared.database.engine import Connection
from shared.domain.cells import Form
from shared.domain.cells import harmless_sql as _cell
from shared.domain.discrepancies import Reconciliation
from shared.reconciliation.store.reports import NOT_OWN, STATE, TOLD

Write = Callable[[bytes], object]


def payments(connection: Connection, run: Reconciliation, zone: str, form: Form, write: Write) -> None:
    """Every payment that the run looked at, as CSV with a heading, in the order of acceptance, in constant memory.

    Its last column is the day that it belongs to: those of earlier days are in none of the day's sums.
    """
    connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")  # who reads the rows needs the other processor
    statement = f"""
    SELECT {_cell("p.source")} AS source, {_cell("p.intent_id")} AS intent_id, p.operation,
        {_amount("p.amount_minor", "p.places")} AS amount, p.currency, c.state, c.category AS comparison,
        {_amount("c.local_minor", "p.places")} AS our_books,
        {_amount("c.provider_minor", "p.places")} AS provider_books,
        {_cell("c.account")} AS account, p.sent_reference, p.paid_at::text AS paid_at,
        p.created_at::text AS created_at, c.finished_at::text AS finished_at,
        least(%(day)s::date, (coalesce(c.finished_at, p.created_at) AT TIME ZONE %(zone)s)::date) AS day
    FROM reconciled_payments c JOIN {every("payments")} p ON p.id = c.payment_id
    WHERE c.run_id = %(run)s ORDER BY c.payment_id
    """
    _copy(connection, statement, {"run": run.id, "day": run.day, "zone": zone}, form, write)


def findings(
    connection: Connection,
    run: Reconciliation,
    *,
    places: Mapping[str, int],
    titles: Mapping[str, str],
    form: Form,
    write: Write,
) -> None:
    """Every finding of the run's own day as CSV with a heading, by category, in constant memory.

    places: decimal places of each currency that occurs. titles: of each category, in words.
    """
    digits, words = "(%(places)s::jsonb ->> f.currency)::smallint", "%(titles)s::jsonb ->> f.category"
    statement = f"""
    SELECT f.category, {words} AS meaning, {_cell("p.source")} AS source, {_cell("p.intent_id")} AS intent_id,
        {_cell("f.account")} AS account, f.currency, {_amount("f.local_minor", digits)} AS our_books,
        {_amount("f.provider_minor", digits)} AS provider_books,
        {_amount("(f.local_minor - f.provider_minor)", digits)} AS difference,
        p.operation, {_amount("p.amount_minor", "p.places")} AS payment_amount, {STATE} AS payment_state,
        p.sent_reference, t.first_day AS first_seen, {_cell("t.resolved_by")} AS resolved_by,
        {_cell("t.resolved_reason")} AS resolved_reason, {_cell("f.identity")} AS identity,
        {_cell("f.evidence::text")} AS evidence, t.number, t.continues_as, {_cell("t.owner")} AS owner, t.due,
        t.closing_code
    FROM findings f LEFT JOIN {every("payments")} p ON p.id = f.payment_id {TOLD}
    WHERE f.run_id = %(run)s AND coalesce(f.of_day, %(day)s) = %(day)s
    ORDER BY f.category, f.identity COLLATE "C"
    """
    given = {"run": run.id, "day": run.day, "places": json.dumps(dict(places)), "titles": json.dumps(dict(titles))}
    _copy(connection, statement, given, form, write)


def carried(
    connection: Connection,
    run: Reconciliation,
    *,
    places: Mapping[str, int],
    titles: Mapping[str, str],
    form: Form,
    write: Write,
) -> None:
    """What was open of earlier days, and closed since the night before, as CSV with a heading, in constant memory."""
    digits, words = "(%(places)s::jsonb ->> t.currency)::smallint", "%(titles)s::jsonb ->> t.category"
    statement = f"""
    SELECT t.number, t.category, {words} AS meaning, CASE WHEN t.open THEN 'open' ELSE 'closed' END AS now,
        t.first_day, {_cell("p.source")} AS source, {_cell("p.intent_id")} AS intent_id,
        {_cell("t.account")} AS account, t.currency, {_amount("t.local_minor", digits)} AS our_books,
        {_amount("t.provider_minor", digits)} AS provider_books,
        {_amount("(t.local_minor - t.provider_minor)", digits)} AS difference, t.state AS payment_state,
        p.sent_reference, {_cell("t.resolved_by")} AS resolved_by, {_cell("t.resolved_reason")} AS resolved_reason,
        t.continues_as, {_cell("t.identity")} AS identity, {_cell("t.owner")} AS owner, t.due, t.closing_code
    FROM (SELECT t.* {NOT_OWN}) t LEFT JOIN {every("payments")} p ON p.id = t.payment_id
    ORDER BY t.open DESC, t.first_day, t.number
    """
    given = {"run": run.id, "day": run.day, "places": json.dumps(dict(places)), "titles": json.dumps(dict(titles))}
    _copy(connection, statement, given, form, write)


def _amount(minor: str, digits: str) -> str:
    """Minor units as a plain decimal with all the currency's places, and the form's decimal mark."""
    cases = " ".join(f"WHEN {n} THEN {minor} * 0.{'1'.rjust(n, '0')}" for n in range(1, 5))
    return f"replace((CASE {digits} {cases} ELSE {minor}::numeric END)::text, '.', %(decimal)s)"


def _copy(connection: Connection, statement: str, given: Mapping[str, object], form: Form, write: Write) -> None:
    values = {**given, "decimal": form.decimal, "separator": form.separator}
    copied = f"COPY ({statement}) TO STDOUT (FORMAT csv, HEADER, DELIMITER %(separator)s)"
    with connection.cursor() as cursor, cursor.copy(copied, values) as rows:
        for block in rows:
            write(bytes(block))

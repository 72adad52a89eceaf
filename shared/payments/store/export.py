"""The export: every payment's row as a line of JSON or of CSV, written by PostgreSQL from its first byte to its last.

Whoever reads it has nothing to do for a row but to pass it on. The lines of JSON are those of `payment_row`, which
costs more than twice as much: it looks up the type of each name and value of each row, and calls a function for each
time. tests/integration/test_export.py holds the two against each other.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Literal

import psycopg
from psycopg.abc import Buffer

from shared.archive.twins import every
from shared.database.engine import Connection
from shared.domain.cells import harmless_sql

Form = Literal["jsonl", "csv"]

_ROWS = 100  # that are passed on together
_Kind = Literal["text", "plain", "number", "time", "json"]  # plain: nothing but letters, digits and a point

# Of a payment p: each value's name, expression and kind, in the order of `payment_row`.
_VALUES: tuple[tuple[str, str, _Kind], ...] = (
    ("source", "p.source", "text"),
    ("intent_id", "p.intent_id", "text"),
    ("provider", "p.provider", "text"),
    ("operation", "p.operation", "plain"),
    ("amount", "round(p.amount_minor / power(10::numeric, p.places), p.places)", "plain"),
    ("currency", "p.currency", "plain"),
    ("state", "p.state", "plain"),
    ("hold_reason", "p.hold_reason", "text"),
    ("attempts", "p.attempts", "number"),
    ("sent_reference", "p.sent_reference", "text"),
    ("provider_reference", "p.provider_reference", "text"),
    ("detail", "p.detail", "text"),
    ("request_sha256", "encode(p.body_sha256, 'hex')", "plain"),
    ("refund_of", "p.refund_of", "text"),
    ("paid_at", "p.paid_at", "time"),
    ("created_at", "p.created_at", "time"),
    ("finished_at", "p.finished_at", "time"),
    ("code", "coalesce(p.hold_reason, p.code)", "text"),
    ("target", "p.target", "json"),
    ("metadata", "p.metadata", "json"),
)
# One that is null and not named here would make the whole line null. An infinite time has no text.
_MAY_BE_NULL = frozenset(
    (
        *("hold_reason", "provider_reference", "detail", "request_sha256", "refund_of", "code", "metadata"),
        *("paid_at", "created_at", "finished_at"),
    )
)


def _utc(value: str) -> str:
    """`utc_text`, which costs as much as all the texts, of nearly every time by what PostgreSQL writes of it anyway:
    six digits of a second, or none where all are zeros; a year has four digits and no era between these two alone."""
    text = f"replace({value}::timestamp::text, ' ', 'T')"
    return (
        f"CASE WHEN {value} IS NULL THEN NULL"
        f" WHEN {value} < '0001-01-01Z' OR {value} >= '10000-01-01Z' THEN utc_text({value})"
        f" WHEN octet_length({text}) = 26 THEN {text} || 'Z' WHEN octet_length({text}) = 19 THEN {text} || '.000000Z'"
        f" ELSE utc_text({value}) END"
    )


def _line() -> str:
    """The members of the object one behind the other, with as few pieces as can be: each costs a copy of the line."""
    pieces, behind = [], "{"
    for name, value, kind in _VALUES:
        mark = '"' if kind in ("plain", "time") else ""
        written = {"text": f"to_json({value})", "time": _utc(value)}.get(kind, value) + "::text"
        before = f'{behind}"{name}" : '
        if name in _MAY_BE_NULL:
            inside = f"'{mark}' || {written} || '{mark}'" if mark else written
            pieces += [f"'{before}'", f"coalesce({inside}, 'null')"]
            behind = ", "
        else:
            pieces += [f"'{before}{mark}'", written]
            behind = f"{mark}, "
    return " || ".join((*pieces, f"'{behind[:-2]}}}'"))


def _cell(text: str, kind: _Kind) -> str:
    """A value in a CSV file. Of JSON only objects are kept here: a brace is no formula. An empty text is an empty cell,
    as one that is not there is; without quotation marks."""
    if kind == "text":
        return f"nullif({harmless_sql(text)}, '')"
    return _utc(text) if kind == "time" else text


# A JSON text of one row, as `payment_row(ROW(p.*)::payments)::text`, of a payment p; in a transaction of `looking`.
LINE = _line()

_EVERY = f"FROM {every('payments')} p ORDER BY p.id"
_CELLS = ", ".join(f"{_cell(value, kind)} AS {name}" for name, value, kind in _VALUES)
_COPY: dict[Form, str] = {
    "jsonl": f"COPY (SELECT {LINE} {_EVERY}) TO STDOUT (FORMAT binary)",
    "csv": f"COPY (SELECT {_CELLS} {_EVERY}) TO STDOUT (FORMAT csv, HEADER)",
}
_LOOKING = """SELECT set_config('idle_in_transaction_session_timeout', '0', true),
    set_config('DateStyle', 'ISO, MDY', true), set_config('TimeZone', 'UTC', true)"""
# However long it takes, and however long its reader doesn't read: PostgreSQL waits in the middle of the statement then.
_PATIENT = "SELECT set_config('statement_timeout', '0', true), set_config('tcp_user_timeout', '0', true)"


@contextmanager
def looking(connection: Connection) -> Iterator[None]:
    """A transaction that only looks, and may take its time. Times as text are ISO and UTC in it, as LINE needs them.

    It may also end anywhere, and the connection before it: so it isn't psycopg's, which would forbid the one and tell
    about the other.
    """
    connection.execute("BEGIN READ ONLY")
    try:
        connection.execute(_LOOKING)
        yield
    finally:
        if not connection.closed:
            with suppress(psycopg.Error):  # the session ended: nothing is left to be ended
                connection.execute("ROLLBACK")


def copied(connection: Connection, form: Form) -> Generator[bytes, None, None]:
    """Every payment's line as of one moment, the oldest first, some whole lines at a time, in constant memory. UTF-8;
    CSV begins with a heading."""
    with looking(connection):
        connection.execute(_PATIENT)
        with connection.cursor() as cursor, cursor.copy(_COPY[form]) as copy:
            lines: Iterator[Buffer] = iter(copy)
            if form == "jsonl":  # binary, which PostgreSQL doesn't look through for what is to be quoted
                copy.set_types(["bytea"])  # of a text, its UTF-8 as it came
                lines = (text + b"\n" for (text,) in copy.rows())
            while some := b"".join(islice(lines, _ROWS)):
                yield some

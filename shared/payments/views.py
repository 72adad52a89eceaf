"""What people and programs read: export rows, one payment's history, the quarantine. Nothing here changes anything.

The archive is read with the hot tables: nobody has to know which payments are in it.

Rows come as JSON text that PostgreSQL wrote (`payment_row`), so that every way of reading shows the same.
"""

from collections.abc import Generator, Iterator
from decimal import Decimal
from typing import Any

from shared.archive.twins import FOLLOW_UPS, every
from shared.database.engine import Connection, Row
from shared.domain.next_step import next_step
from shared.domain.payment import HoldReason, State
from shared.domain.words import Say, plain
from shared.payments.store.export import LINE, Form, copied, looking

_PAGE = 1000

# Every payment p, with its export row.
_ROW, _FROM = "payment_row(ROW(p.*)::payments)", f"FROM {every('payments')} p"

_PAYMENTS = f"""
SELECT {LINE} AS row {_FROM}
WHERE (%(state)s::text IS NULL OR p.state = %(state)s) AND (%(provider)s::text IS NULL OR p.provider = %(provider)s)
    AND (%(source)s::text IS NULL OR p.source = %(source)s)
    AND (%(hold)s::text IS NULL OR p.hold_reason = %(hold)s OR %(hold)s = 'any' AND p.hold_reason IS NOT NULL)
    AND (%(code)s::text IS NULL OR coalesce(p.hold_reason, p.code) = %(code)s)
    AND (%(older_s)s::float8 IS NULL OR p.created_at <= clock() - make_interval(secs => %(older_s)s))
    AND (%(least)s::numeric IS NULL OR p.amount_minor / power(10::numeric, p.places) >= %(least)s)
"""
# money: the largest sum of each currency first.
_ORDERS = {
    "newest": "p.id DESC",
    "age": "p.created_at, p.id",
    "money": "p.currency, p.amount_minor / power(10::numeric, p.places) DESC, p.id",
}

# By the key of intents, which has the archive's payments too.
_PAGE_OF_SOURCE = f"""
SELECT k.intent_id, (
    SELECT {_ROW}::text {_FROM} WHERE p.id = k.payment_id
        AND (%(state)s::text IS NULL OR p.state = %(state)s)
        AND (%(provider)s::text IS NULL OR p.provider = %(provider)s)
    ) AS row
FROM (SELECT intent_id, payment_id FROM intent_keys WHERE source = %(source)s AND intent_id > %(after)s
      ORDER BY intent_id LIMIT %(scanned)s) AS k
ORDER BY k.intent_id
"""

# A deadline is kept in lane time.
_STANDS = f"""
SELECT {_ROW} AS row, p.possibly_sent, utc_text(p.due_at) AS due_at, l.running,
    CASE WHEN p.finished_at IS NULL THEN utc_text(p.deadline + (clock() - lane_clock(l))) END AS deadline
{_FROM} JOIN lanes l ON l.provider = p.provider WHERE p.id = %(id)s
"""

_HISTORY = f"""
SELECT entry FROM (
    SELECT a.started_at AS at, 1 AS place, a.number::bigint AS number, json_build_object(
        'at', utc_text(a.started_at), 'what', 'attempt', 'number', a.number, 'ended_at', utc_text(a.ended_at),
        'lease_until', utc_text(a.lease_until), 'request_sha256', encode(a.body_sha256, 'hex'), 'meaning', a.meaning,
        'answer', a.kind, 'http_status', a.http_status, 'detail', a.detail, 'facts', a.facts) AS entry
    FROM {every("attempts")} a WHERE a.payment_id = %(id)s
    UNION ALL
    SELECT c.checked_at, 2, c.number, json_build_object(
        'at', utc_text(c.checked_at), 'what', 'check', 'number', c.number, 'verdict', c.verdict, 'detail', c.detail,
        'evidence', c.evidence)
    FROM {every("checks")} c WHERE c.payment_id = %(id)s
    UNION ALL
    SELECT r.resolved_at, 3, r.id, json_build_object(
        'at', utc_text(r.resolved_at), 'what', 'resolution', 'action', r.action, 'from_state', r.from_state,
        'reason', r.reason, 'by', r.by_whom, 'approved_by', r.approved_by,
        'although', r.although, 'line', r.line, 'look', r.look)
    FROM {every("resolutions")} r WHERE r.payment_id = %(id)s
    UNION ALL
    SELECT e.created_at, 4, e.id, json_build_object(
        'at', utc_text(e.created_at), 'what', 'event', 'id', e.event_id, 'type', e.type,
        'state', e.data ->> 'state', 'detail', e.data ->> 'detail')
    FROM {every("events")} e WHERE e.payment_id = %(id)s
    UNION ALL
    SELECT coalesce(f.finished_at, clock()), 5, f.id, json_build_object(
        'at', utc_text(coalesce(f.finished_at, clock())), 'what', f.kind,
        'state', coalesce(f.delivery, CASE WHEN f.kind = 'sms' AND f.state = 'issued' THEN 'sent' ELSE f.state END),
        'attempts', f.attempts, 'request_sha256', encode(f.body_sha256, 'hex'), 'detail', f.detail,
        'answer', f.answer)
    FROM {every(FOLLOW_UPS)} f WHERE f.payment_id = %(id)s
) AS told ORDER BY at, place, number
"""

_QUARANTINE = f"""
SELECT q.id, json_build_object(
    'id', q.id, 'reason', q.reason, 'code', q.code, 'subject', q.subject, 'sha256', encode(q.sha256, 'hex'),
    'bytes', length(q.raw), 'whole_bytes', q.whole_bytes,
    'stream', q.stream, 'entry_id', q.entry_id, 'seen', q.seen, 'first_seen', utc_text(q.first_seen),
    'last_seen', utc_text(q.last_seen), 'replayed_at', utc_text(q.replayed_at),
    'dismissed_at', utc_text(d.dismissed_at), 'dismissed_by', d.by_whom, 'dismissed_reason', d.reason,
    'conflict_of', (SELECT p.source || '/' || p.intent_id {_FROM} WHERE p.id = q.conflict_of))::text AS row
FROM quarantine q LEFT JOIN LATERAL (
    SELECT * FROM dismissals d WHERE d.quarantine_id = q.id AND d.dismissed_at >= q.last_seen ORDER BY d.id DESC LIMIT 1
) d ON true
"""


def payments(
    connection: Connection,
    *,
    state: str | None = None,
    provider: str | None = None,
    source: str | None = None,
    hold: str | None = None,
    code: str | None = None,
    older_s: float | None = None,
    least: Decimal | None = None,
    order: str = "newest",
    limit: int | None = None,
) -> Iterator[str]:
    """Export rows (JSON text), in constant memory. hold: for this reason, or `any`. older_s: accepted so long ago, at
    least; least: of this sum, in whole units, at least. order: newest, age (the oldest first) or money."""
    given: dict[str, Any] = {"state": state, "provider": provider, "source": source, "limit": limit}
    given |= {"hold": hold, "code": code, "older_s": older_s, "least": least}
    return _streamed(connection, f"{_PAYMENTS} ORDER BY {_ORDERS[order]} LIMIT %(limit)s", given)


def page(
    connection: Connection, source: str, after: str, *, state: str | None, provider: str | None, limit: int
) -> tuple[list[str], str | None]:
    """Up to `limit` export rows (JSON text) of a source's payments behind the intent id `after`, in order of that id,
    and the id behind which to go on; None: that was all. It may be empty and not be all: so many are looked at."""
    scanned = limit if state is None and provider is None else _PAGE
    given = {"source": source, "after": after, "state": state, "provider": provider, "scanned": scanned}
    found = connection.execute(_PAGE_OF_SOURCE, given).fetchall()
    rows: list[str] = []
    for row in found:
        if row["row"] is not None:
            rows.append(row["row"])
            if len(rows) == limit:
                return rows, None if row is found[-1] and len(found) < scanned else row["intent_id"]
    return rows, found[-1]["intent_id"] if len(found) == scanned else None


def exported(connection: Connection, form: Form) -> Generator[bytes, None, None]:
    """Every payment's export row as of one moment, the oldest first, as a line of JSON or of CSV, which has a heading:
    some whole lines at a time (UTF-8), in constant memory. No cell of CSV is run by a spreadsheet."""
    return copied(connection, form)


def export(connection: Connection) -> Iterator[str]:
    """The same, row by row (JSON text)."""
    for lines in copied(connection, "jsonl"):
        yield from lines.decode().removesuffix("\n").split("\n")


def payment_id(connection: Connection, source: str, intent_id: str) -> int | None:
    """The payment that this intent became, or None."""
    row = connection.execute(
        "SELECT payment_id FROM intent_keys WHERE source = %s AND intent_id = %s", (source, intent_id)
    ).fetchone()
    return None if row is None else int(row["payment_id"])


def provider_of(connection: Connection, source: str, intent_id: str) -> str | None:
    """Whose payment this intent became, or None."""
    row = connection.execute(
        f"""SELECT p.provider {_FROM} JOIN intent_keys k ON k.payment_id = p.id
        WHERE k.source = %s AND k.intent_id = %s""",
        (source, intent_id),
    ).fetchone()
    return None if row is None else str(row["provider"])


def payment(connection: Connection, number: int, say: Say = plain) -> dict[str, Any]:
    """A payment's export row, what it was accepted with, where it stands, and `history`: everything that was done about
    it, in order of time.

    deadline: after which it is parked; its lane's clock stands still with the lane, so this is the earliest moment.
    next: what happens then, in a sentence; None for a final one. say: a text in the reader's language.
    """
    row = connection.execute(_STANDS, {"id": number}).fetchone()
    assert row is not None  # noqa: S101 - payments are never deleted
    history = connection.execute(_HISTORY, {"id": number}).fetchall()
    shown: dict[str, Any] = row["row"]
    reason = HoldReason(shown["hold_reason"]) if shown["hold_reason"] else None
    stands = {name: row[name] for name in ("possibly_sent", "due_at", "deadline")}
    stands["next"] = next_step(State(shown["state"]), reason, row["due_at"], lane_runs=row["running"], say=say)
    return shown | stands | {"history": [entry["entry"] for entry in history]}


def quarantine(connection: Connection, *, everything: bool = False) -> Iterator[str]:
    """What is in quarantine (JSON text, without the bytes), the oldest first, in constant memory. everything: what was
    dismissed, too."""
    which = "WHERE %(everything)s OR d.id IS NULL ORDER BY q.id"
    return _streamed(connection, _QUARANTINE + which, {"everything": everything})


def quarantine_page(connection: Connection, after: int, limit: int, *, everything: bool) -> list[str]:
    """Up to `limit` of the same, behind the number `after`."""
    which = "WHERE q.id > %(after)s AND (%(everything)s OR d.id IS NULL) ORDER BY q.id LIMIT %(limit)s"
    given = {"after": after, "limit": limit, "everything": everything}
    return [row["row"] for row in connection.execute(_QUARANTINE + which, given).fetchall()]


def quarantined(connection: Connection, number: int) -> Row | None:
    """One entry of the quarantine: `row` (JSON text), its bytes `raw`, and the payment it conflicts with, or None."""
    return connection.execute(
        f"""SELECT shown.row, q.raw,
            (SELECT {_ROW} {_FROM} WHERE p.id = q.conflict_of) AS conflict
        FROM ({_QUARANTINE}) AS shown JOIN quarantine q USING (id) WHERE id = %s""",
        (number,),
    ).fetchone()


def _streamed(connection: Connection, statement: str, given: dict[str, Any]) -> Iterator[str]:
    """A server-side cursor: one snapshot, a page in memory. The statement time-out bounds each page, not the whole."""
    with looking(connection), connection.cursor(name="rows") as cursor:
        cursor.itersize = _PAGE
        cursor.execute(statement, given)
        for row in cursor:
            yield row["row"]


def parked(connection: Connection, provider: str) -> list[str]:
    """SOURCE/INTENT_ID of each parked payment of this provider, the oldest first."""
    statement = """SELECT source || '/' || intent_id AS name FROM payments WHERE state = 'parked' AND provider = %s
        ORDER BY id"""
    return [row["name"] for row in connection.execute(statement, (provider,)).fetchall()]


def any_payment(connection: Connection, provider: str) -> bool:
    """Has this provider ever had a payment of ours?"""
    found = connection.execute(
        """SELECT EXISTS (SELECT FROM payments WHERE provider = %(p)s)
            OR EXISTS (SELECT FROM archive.payments WHERE provider = %(p)s) AS found""",
        {"p": provider},
    ).fetchone()
    return bool(found and found["found"])

"""What accept writes: new payments, re-emitted events, quarantine. One transaction for a whole batch."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.archive.recall import recall
from shared.database.engine import Connection
from shared.database.statements import statements
from shared.domain.codes import Code
from shared.domain.intent import Intent
from shared.domain.money import places
from shared.domain.request import Built, Hold, Refusal, Request
from shared.events.types import EventType, literal, written

_SQL = statements(__file__)


Key = tuple[str, str]  # (source, intent_id)


@dataclass(frozen=True, slots=True)
class NewPayment:
    """An intent with what it will send, or why it sends nothing yet."""

    intent: Intent
    sent_reference: str
    resend_safe: bool
    built: Built
    reads_first: bool = False
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What can't be accepted, with its bytes (free of card data) and the reason. whole_bytes: how long it was, where
    `raw` is only its beginning. conflict_of: the payment that has its id."""

    sha256: bytes
    raw: bytes
    whole_bytes: int | None
    reason: str
    code: Code
    subject: str | None
    stream: str
    entry_id: str
    conflict_of: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The payment that an intent's id stands for, and the digest of the content that it was accepted with; None: only
    the events stream told of it."""

    payment_id: int
    digest: bytes | None


_TOLD = written(
    id="'q' || id || '-1'",
    type=literal(EventType.INTAKE_QUARANTINED),
    subject="coalesce(subject, '-')",
    data="""json_build_object('quarantine_id', id, 'reason', reason, 'sha256', encode(sha256, 'hex'),
        'stream', stream, 'entry_id', entry_id, 'code', code,
        'conflict_of', CASE WHEN conflict_of IS NOT NULL THEN subject END)""",
    rows="FROM kept WHERE seen = 1",
)

_QUARANTINE = f"""
WITH kept AS (
    INSERT INTO quarantine AS q (sha256, raw, whole_bytes, reason, code, subject, stream, entry_id,
        conflict_of)
    VALUES (%(sha256)s, %(raw)s, %(whole_bytes)s, %(reason)s, %(code)s, %(subject)s, %(stream)s, %(entry_id)s,
        %(conflict_of)s)
    ON CONFLICT (sha256) DO UPDATE SET seen = q.seen + 1, last_seen = clock(), reason = excluded.reason,
        code = excluded.code,
        entry_id = excluded.entry_id, stream = excluded.stream, conflict_of = excluded.conflict_of
    RETURNING id, seen, reason, code, sha256, stream, entry_id, subject, conflict_of
), again AS (
    INSERT INTO outbox AS o (id)
    SELECT e.id FROM kept JOIN events e ON e.event_id = ANY (event_names('q' || kept.id || '-1'))
    WHERE kept.seen > 1 AND e.payment_id IS NULL
    ON CONFLICT (id) DO UPDATE SET asked = o.asked + 1
)
{_TOLD}"""


def insert(connection: Connection, rows: Sequence[NewPayment]) -> dict[Key, int]:
    """Insert the payments whose (source, intent_id) is new; their ids by key. The others are left alone.

    Those that can never be sent (a Refusal) are accepted and then refused, so both events are written.
    """
    columns: dict[str, list[Any]] = {name: [] for name in column_values(rows[0])} if rows else {}
    for row in rows:
        for name, value in column_values(row).items():
            columns[name].append(value)
    inserted = {
        (r["source"], r["intent_id"]): r["id"]
        for r in (connection.execute(_SQL["insert"], columns).fetchall() if rows else ())
    }
    refused = [
        (inserted[key], row.built.detail, row.built.code)
        for row in rows
        if isinstance(row.built, Refusal) and (key := (row.intent.source, row.intent.intent_id)) in inserted
    ]
    if refused:
        refuse(connection, refused)
    return inserted


def refuse(connection: Connection, refused: Sequence[tuple[int, str, Code]]) -> None:
    """Accepted payments that can never be sent, with the reason."""
    ids, details, codes = zip(*refused, strict=True)
    connection.execute(
        _SQL["refuse"], {"id": list(ids), "detail": list(details), "code": [code.value for code in codes]}
    )


def known(connection: Connection, keys: Sequence[Key]) -> dict[Key, Known]:
    """Those of these keys that are there."""
    if not keys:
        return {}
    columns = {"source": [source for source, _ in keys], "intent_id": [intent_id for _, intent_id in keys]}
    rows = connection.execute(_SQL["known"], columns).fetchall()
    return {(r["source"], r["intent_id"]): Known(r["payment_id"], r["digest"] and bytes(r["digest"])) for r in rows}


def reemit(connection: Connection, payment_ids: Sequence[int]) -> None:
    """Put each payment's last event on the stream again, verbatim. A payment in the archive comes
    back for it."""
    if not payment_ids:
        return
    again = {row["payment_id"] for row in connection.execute(_SQL["reemit"], {"ids": list(payment_ids)}).fetchall()}
    archived = [payment_id for payment_id in payment_ids if payment_id not in again]
    if archived:
        recall(connection, archived)
        connection.execute(_SQL["reemit"], {"ids": archived})


def quarantine(connection: Connection, rows: Sequence[Quarantined]) -> None:
    """Keep what can't be accepted, once for each digest; its event is written, or re-emitted."""
    for row in rows:
        connection.execute(_QUARANTINE, {name: getattr(row, name) for name in row.__slots__})


def column_values(row: NewPayment) -> dict[str, Any]:
    """What is written of a payment that is accepted, by column."""
    intent, built = row.intent, row.built
    request = built if isinstance(built, Request) else None
    return {
        "source": intent.source,
        "intent_id": intent.intent_id,
        "digest": intent.digest,
        "provider": intent.provider,
        "operation": intent.operation.value,
        "amount_minor": intent.amount_minor,
        "currency": intent.currency,
        "places": places(intent.currency),
        "paid_at": intent.paid_at,
        "target": _json(intent.target),
        "refund_of": intent.refund_of,
        "receipt": _json(intent.receipt),
        "notify": _json(intent.notify),
        "metadata": _json(intent.metadata),
        "hold_reason": built.reason.value if isinstance(built, Hold) else None,
        "detail": built.detail if isinstance(built, Hold) else None,
        "resend_safe": row.resend_safe,
        "reads_first": row.reads_first,
        "sent_reference": row.sent_reference,
        "path": request.path if request else None,
        "body": request.body if request else None,
        "exclusive_key": request.exclusive_key if request else None,
        "books_key": request.books_key if request else None,
        "traceparent": row.traceparent,
    }


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)

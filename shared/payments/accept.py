"""accept: read intents in batches, validate, insert, commit, then acknowledge.

Dying before the commit: the entries stay pending and are read again. Dying between the commit and the
acknowledgement: they are read again too, and change nothing, because (source, intent_id) is there.
"""

import time
from collections.abc import Mapping, Sequence

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from shared.database import clock
from shared.database import store as whole
from shared.database.engine import Connection
from shared.domain.codes import Code
from shared.domain.intent import AHEAD, MAX_AHEAD, BadIntent, Intent, parse_intent
from shared.domain.kept import keep, keep_unread
from shared.domain.reference import fingerprint, reference
from shared.messaging.intake_stream import Entry
from shared.payments import trace
from shared.payments.adopt import adopt
from shared.payments.prepare import prepare, rule_of, unsent
from shared.payments.store import accept as store
from shared.payments.store import lost_time
from shared.payments.store.accept import Key, NewPayment, Quarantined
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, get_logger

log = get_logger(__name__)

_BEHIND = "an intent with this id stood before it and could not be accepted; replay it when that is mended"
MAX_DELIVERIES = 5  # an entry whose readers ended so often before they were done with it is not read again


def accept(runtime: Runtime, entries: Sequence[Entry]) -> int:
    """Make entries durable: as payments, as re-emitted events or in quarantine. Returns the number of new payments.

    After it returns every entry may be acknowledged; when it raises (PostgreSQL is away), none may. An entry that
    PostgreSQL refuses is found by halving the batch, and goes to quarantine: it never stops the others.
    """
    try:
        return _accept(runtime, entries)
    except (psycopg.DataError, psycopg.IntegrityError):
        if len(entries) > 1:
            half = len(entries) // 2
            return accept(runtime, entries[:half]) + accept(runtime, entries[half:])
        alert(Alert.INTENT_NOT_STORABLE, "an intent passed validation and PostgreSQL refused it")
        with runtime.database.transaction() as connection:
            reason = "it could not be stored: a mistake in the validation"
            store.quarantine(connection, [_quarantined(entries[0], Code.INTERNAL_ERROR, reason, None)])
        return 0


def _accept(runtime: Runtime, entries: Sequence[Entry]) -> int:
    first: dict[Key, tuple[Intent, Entry]] = {}
    repeats: list[tuple[Intent, Entry]] = []
    rejected: list[Quarantined] = []
    for entry in entries:
        try:
            intent = _read(runtime, entry)
        except BadIntent as bad:
            rejected.append(_quarantined(entry, bad.code, bad.reason, bad.subject))
            continue
        except Exception:  # a mistake in the validation must not stop the intake
            alert(Alert.VALIDATION_FAILED, "an intent could not be read: a mistake in the validation")
            reason = "it could not be read: a mistake in the validation"
            rejected.append(_quarantined(entry, Code.INTERNAL_ERROR, reason, None))
            continue
        key = (intent.source, intent.intent_id)
        if key in first:
            repeats.append((intent, entry))
        else:
            first[key] = (intent, entry)
    began = time.time()
    rows = _build(runtime, first, rejected)
    with runtime.database.transaction() as connection:
        found = whole.require(connection, runtime.seen)
        whole.derives(connection, found.fingerprint, fingerprint(runtime.reference_key))
        # What was accepted before is a repeat, also where it is ahead of the clock: it is only not taken anew.
        latest = clock.now(connection) + MAX_AHEAD
        inserted = store.insert(connection, [row for row in rows if row.intent.paid_at <= latest])
        _doubt(connection, inserted)
        repeats += [pair for key, pair in first.items() if key not in inserted]
        known = store.known(connection, list({(intent.source, intent.intent_id) for intent, _ in repeats}))
        again = []
        for intent, entry in repeats:
            before = known.get((intent.source, intent.intent_id))
            if before is None:  # it is ahead, or the first one of this id is in quarantine itself
                ahead = intent.paid_at > latest
                code, reason = (Code.PAID_AHEAD, AHEAD) if ahead else (Code.BEHIND_ANOTHER, _BEHIND)
                rejected.append(_quarantined(entry, code, reason, f"{intent.source}/{intent.intent_id}"))
            elif before.digest == intent.digest or (
                before.digest is None and adopt(connection, runtime, intent, before.payment_id)
            ):
                again.append(before.payment_id)
            else:
                reason = "this id was used before for an intent with other content"
                subject = f"{intent.source}/{intent.intent_id}"
                rejected.append(_quarantined(entry, Code.ID_CONFLICT, reason, subject, before.payment_id))
        store.reemit(connection, again)
        store.quarantine(connection, rejected)
    trace.accepted(rows, inserted, began)
    if rejected:
        log.warning("intents went to quarantine; see `settlepipe quarantine`", count=len(rejected))
    return len(inserted)


def _doubt(connection: Connection, inserted: Mapping[Key, int]) -> None:
    """While a window after a lost time is open, what is accepted may have been sent in it."""
    lost_time.came(connection, list(inserted))
    window = lost_time.window(connection) if inserted else None
    if window is not None:
        lost_time.doubt(connection, list(inserted.values()), window, frozen=False)


def _read(runtime: Runtime, entry: Entry) -> Intent:
    if _ended_its_readers(entry):
        alert(Alert.ENTRY_ENDS_INTAKE, "an entry was read again and again, and each reader ended; it is in quarantine")
        raise BadIntent(
            Code.ENDS_READERS, f"it was read {MAX_DELIVERIES} times and whoever read it ended before it was done"
        )
    if entry.raw is None:
        raise BadIntent(
            Code.BAD_ENTRY, "the entry must have exactly one field, `intent`, and may have `traceparent` beside it"
        )
    targets = {name: registration.target for name, registration in runtime.registrations.items()}
    intent = parse_intent(entry.raw, targets)
    allowed = runtime.settings.intake.sources.get(entry.stream, [])
    if "*" not in allowed and intent.source not in allowed:
        subject = f"{intent.source}/{intent.intent_id}"
        raise BadIntent(Code.SOURCE_NOT_ALLOWED, "this source may not use this stream", subject)
    return intent


def _build(
    runtime: Runtime, first: Mapping[Key, tuple[Intent, Entry]], rejected: list[Quarantined]
) -> list[NewPayment]:
    rows = []
    for intent, entry in first.values():
        payment = unsent(intent, reference(runtime.reference_key, intent.source, intent.intent_id))
        try:
            built = prepare(runtime, payment)
        except (psycopg.Error, SQLAlchemyError):  # the lists could not be read: that is no intent's fault
            raise
        except Exception:  # a mistake in an adapter must stop neither the intake nor lose the intent
            alert(Alert.BUILD_FAILED, "an intent's request could not be built", provider=intent.provider)
            subject = f"{intent.source}/{intent.intent_id}"
            reason = "its request could not be built: a mistake in the adapter"
            rejected.append(_quarantined(entry, Code.INTERNAL_ERROR, reason, subject))
            continue
        rule = rule_of(runtime, payment)
        rows.append(
            NewPayment(intent, payment.sent_reference, rule.resend_safe, built, rule.reads_first, entry.traceparent)
        )
    return rows


def _quarantined(
    entry: Entry, code: Code, reason: str, subject: str | None, conflict_of: int | None = None
) -> Quarantined:
    raw = entry.raw if entry.raw is not None else _flat(entry.fields)
    kept = keep_unread(raw) if _ended_its_readers(entry) else keep(raw, subject)
    return Quarantined(
        sha256=kept.sha256,
        raw=kept.raw,
        whole_bytes=kept.whole_bytes,
        reason=reason,
        code=code,
        subject=subject,
        stream=entry.stream,
        entry_id=entry.entry_id.decode("ascii", "replace"),
        conflict_of=conflict_of,
    )


def _ended_its_readers(entry: Entry) -> bool:
    return entry.deliveries > MAX_DELIVERIES


def _flat(fields: Mapping[bytes, bytes]) -> bytes:
    """An entry of another form, kept as lines of `field=value`."""
    return b"\n".join(name + b"=" + value for name, value in fields.items())

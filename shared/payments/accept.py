"""accept: read intents in batches, validate, admit, commit, then acknowledge.

Reading what a batch means takes no transaction, so it can be done ahead (`understood`), while another one is committed.
Dying before the commit: the entries stay pending and are read again. Dying between the commit and the
acknowledgement: they are read again too, and change nothing, because (source, intent_id) is there.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.codes import Code
from shared.domain.intent import BadIntent, Intent
from shared.domain.kept import keep, keep_unread
from shared.messaging.intake_stream import Entry
from shared.payments import trace
from shared.payments.admit import UNSTORED, Admitted, Offer, Prepared, Refused, admit, halved, prepared
from shared.payments.store import accept as store
from shared.payments.store.accept import Quarantined
from shared.payments.valid import UNREAD, intent_of
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, get_logger

log = get_logger(__name__)

MAX_DELIVERIES = 5  # an entry whose readers ended so often before they were done with it is not read again


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries, and what they mean: those that are intents, what each id's first one would send (`ready`), and those
    that can be none. began: when they were taken, in seconds of the epoch."""

    entries: Sequence[Entry]
    offered: Sequence[tuple[Entry, Offer]]
    rejected: Sequence[Quarantined]
    ready: Prepared
    began: float


def accept(runtime: Runtime, entries: Sequence[Entry]) -> int:
    """Make entries durable: as payments, as re-emitted events or in quarantine. Returns the number of new payments.

    After it returns every entry may be acknowledged; when it raises (PostgreSQL is away), none may. An entry that
    PostgreSQL refuses goes to quarantine: it never stops the others.
    """
    return accept_understood(runtime, understood(runtime, entries))


def accept_understood(runtime: Runtime, batch: Batch) -> int:
    """`accept`, of what was understood before."""

    def take(some: Sequence[Entry]) -> list[bool]:
        return _admitted(runtime, batch if len(some) == len(batch.entries) else understood(runtime, some))

    def refused(entry: Entry) -> bool:
        with runtime.database.transaction() as connection:
            store.quarantine(connection, [_quarantined(entry, Code.INTERNAL_ERROR, UNSTORED, None)])
        return False

    return sum(halved(take, batch.entries, refused))


def understood(runtime: Runtime, entries: Sequence[Entry]) -> Batch:
    """What entries mean. Writes nothing; may read the providers' lists, so it raises when PostgreSQL is away."""
    began = time.time()
    rejected: list[Quarantined] = []
    offered: list[tuple[Entry, Offer]] = []
    for entry in entries:
        try:
            offered.append((entry, Offer(_read(runtime, entry), entry.traceparent)))
        except BadIntent as bad:
            rejected.append(_quarantined(entry, bad.code, bad.reason, bad.subject))
        except Exception:  # a mistake in the validation must not stop the intake
            alert(Alert.VALIDATION_FAILED, "an intent could not be read: a mistake in the validation")
            rejected.append(_quarantined(entry, Code.INTERNAL_ERROR, UNREAD, None))
    return Batch(entries, offered, rejected, prepared(runtime, [offer for _, offer in offered]), began)


def _admitted(runtime: Runtime, batch: Batch) -> list[bool]:
    """Is each a new payment?"""
    offers, rejected = [offer for _, offer in batch.offered], list(batch.rejected)
    with runtime.database.transaction() as connection:
        answers = admit(connection, runtime, offers, batch.ready)
        for (entry, offer), answer in zip(batch.offered, answers, strict=True):
            if isinstance(answer, Refused):
                conflict_of = answer.before.payment_id if answer.before else None
                subject = "/".join(offer.key)
                rejected.append(_quarantined(entry, answer.code, answer.reason, subject, conflict_of))
        store.quarantine(connection, rejected)
    trace.accepted(zip(offers, answers, strict=True), batch.ready, batch.began)
    if rejected:
        log.warning("intents went to quarantine; see `settlepipe quarantine`", count=len(rejected))
    new = [isinstance(answer, Admitted) and not answer.repeated for answer in answers]
    return new + [False] * (len(batch.entries) - len(new))


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
    return intent_of(entry.raw, entry.stream, runtime.settings.intake.sources, runtime.targets)


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

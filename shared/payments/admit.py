"""admit: valid intents become payments, each once. The one place for that rule, whichever door they came through.

The same intent again changes nothing, and its payment's last event is told again; another content under the same id is
a conflict. What was committed is there for good: whoever does not hear the answer may ask again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import psycopg

from shared.database import clock
from shared.database import store as whole
from shared.database.engine import Connection
from shared.domain.codes import Code
from shared.domain.intent import AHEAD, MAX_AHEAD, Intent
from shared.domain.reference import fingerprint, reference
from shared.payments.adopt import adopt
from shared.payments.prepare import prepare, rule_of, unsent
from shared.payments.store import accept as store
from shared.payments.store import lost_time
from shared.payments.store.accept import Key, Known, NewPayment
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert

UNSTORED = "it could not be stored: a mistake in the validation"
_BEHIND = "an intent with this id stood before it and could not be accepted; replay it when that is mended"
_UNBUILT = "its request could not be built: a mistake in the adapter"
_CONFLICT = "this id was used before for an intent with other content"

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Offer:
    """A valid intent, and the trace that it belongs to."""

    intent: Intent
    traceparent: str | None = None

    @property
    def key(self) -> Key:
        """What tells it from every other one."""
        return self.intent.source, self.intent.intent_id


@dataclass(frozen=True, slots=True)
class Admitted:
    """It is a payment. repeated: it was one before, from the same content."""

    payment_id: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not taken. before: what its id stands for already, where that is why. intent: of which nothing could be
    built."""

    code: Code
    reason: str
    before: Known | None = None
    intent: Intent | None = None


Answer = Admitted | Refused
Prepared = Mapping[Key, NewPayment | Refused]


def prepared(runtime: Runtime, offers: Sequence[Offer]) -> Prepared:
    """What the first one of each id would send. Before the transaction: it may read lists."""
    found: dict[Key, NewPayment | Refused] = {}
    for offer in offers:
        if offer.key not in found:
            found[offer.key] = _prepared(runtime, offer)
    return found


def _prepared(runtime: Runtime, offer: Offer) -> NewPayment | Refused:
    intent = offer.intent
    payment = unsent(intent, reference(runtime.reference_key, intent.source, intent.intent_id))
    try:
        built = prepare(runtime, payment)
    except psycopg.Error:  # the lists could not be read: that is no intent's fault
        raise
    except Exception:  # a mistake in an adapter must neither stop the others nor lose the intent
        alert(Alert.BUILD_FAILED, "an intent's request could not be built", provider=intent.provider)
        return Refused(Code.INTERNAL_ERROR, _UNBUILT, intent=intent)
    rule = rule_of(runtime, payment)
    return NewPayment(intent, payment.sent_reference, rule.resend_safe, built, rule.reads_first, offer.traceparent)


def admit(connection: Connection, runtime: Runtime, offers: Sequence[Offer], ready: Prepared) -> list[Answer]:
    """What becomes of each offer, in their order, once the caller's transaction is committed. ready: of these offers.

    Raises HeldError while the store may take nothing; psycopg.DataError or IntegrityError for what passed validation
    and PostgreSQL refuses (see `halved`).
    """
    found = whole.require(connection, runtime.seen)
    whole.derives(connection, found.fingerprint, fingerprint(runtime.reference_key))
    # What was accepted before is a repeat, also where it is ahead of the clock: it is only not taken anew.
    latest = clock.now(connection) + MAX_AHEAD
    rows = [row for row in ready.values() if isinstance(row, NewPayment) and row.intent.paid_at <= latest]
    new = store.insert(connection, rows)
    _doubt(connection, new)
    known = store.known(connection, [key for key in ready if key not in new])
    answers: list[Answer] = []
    for offer in offers:
        before = known.get(offer.key)
        if before is not None:
            answer = _repeat(connection, runtime, offer.intent, before)
        elif offer.key in new:
            answer = Admitted(new[offer.key], repeated=False)
        else:
            answer = _not_taken(ready[offer.key], offer, ahead=offer.intent.paid_at > latest)
        if isinstance(answer, Admitted):  # what stands behind it under the same id is a repeat of it, or a conflict
            known[offer.key] = Known(answer.payment_id, offer.intent.digest)
        answers.append(answer)
    store.reemit(connection, [one.payment_id for one in answers if isinstance(one, Admitted) and one.repeated])
    return answers


def _repeat(connection: Connection, runtime: Runtime, intent: Intent, before: Known) -> Answer:
    same = before.digest == intent.digest
    if same or (before.digest is None and adopt(connection, runtime, intent, before.payment_id)):
        return Admitted(before.payment_id, repeated=True)
    return Refused(Code.ID_CONFLICT, _CONFLICT, before)


def _not_taken(first: NewPayment | Refused, offer: Offer, *, ahead: bool) -> Refused:
    """Why: it is ahead, nothing could be built of it, or that holds for the one of its id that stood before it."""
    if ahead:
        return Refused(Code.PAID_AHEAD, AHEAD)
    if isinstance(first, Refused) and first.intent is offer.intent:
        return first
    return Refused(Code.BEHIND_ANOTHER, _BEHIND)


def _doubt(connection: Connection, inserted: Mapping[Key, int]) -> None:
    """While a window after a lost time is open, what is accepted may have been sent in it."""
    lost_time.came(connection, list(inserted))
    window = lost_time.window(connection) if inserted else None
    if window is not None:
        lost_time.doubt(connection, list(inserted.values()), window, frozen=False)


def halved(take: Callable[[Sequence[T]], list[R]], given: Sequence[T], refused: Callable[[T], R]) -> list[R]:
    """What `take` gives for each, in their order. One that PostgreSQL refuses is found by halving, and stops no other:
    it gets what `refused` says."""
    try:
        return take(given)
    except (psycopg.DataError, psycopg.IntegrityError):
        if len(given) > 1:
            half = len(given) // 2
            return halved(take, given[:half], refused) + halved(take, given[half:], refused)
        alert(Alert.INTENT_NOT_STORABLE, "an intent passed validation and PostgreSQL refused it")
        return [refused(given[0])]

"""resolve: what a person decides about a payment that no program can decide. One transaction; kept for ever.

Dying before the commit changes nothing; after it there is nothing left to do.
"""

from shared.domain.payment import State
from shared.store import follow_ups, resolutions
from shared.store.engine import Database
from shared.store.resolutions import Decision, Found
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

MAX_REASON_CHARACTERS = 500
MAX_BY_CHARACTERS = 100
ANSWERS = ("succeeded", "refused", "resend")
_FOLLOW_UP_STATES = {"succeeded": "issued", "refused": "refused", "resend": "waiting"}
FOLLOW_UPS = {"receipt": "receipt", "sms": "text message"}
_CANCELLABLE = (State.ACCEPTED, State.DISPATCHED, State.WAITING)


class Unresolvable(Exception):  # noqa: N818 - says what is so
    """The payment is not in a state in which this may be decided. Nothing was changed; the message says why."""


def resolve(database: Database, source: str, intent_id: str, answer: str, *, reason: str, by: str) -> None:
    """Settle a parked payment: `succeeded`, `refused`, or `resend` (the books are looked at first).

    Raises Unresolvable, ValueError for a bad answer, reason or name.
    """
    _must_be_answer(answer)
    decision = _decision(answer, reason, by)
    with database.transaction() as connection:
        found = resolutions.lock(connection, source, intent_id)
        found = _existing(found, source, intent_id)
        if found.state != State.PARKED:
            raise Unresolvable(
                f"{source}/{intent_id} is {found.state}; only a parked payment is resolved, nothing was changed"
            )
        resolutions.keep(connection, found.id, found.state, decision)
        detail = f"decided by a person: {decision.reason}"
        if answer == "resend":
            resolutions.resend(connection, found.id, detail)
        else:
            resolutions.finish(connection, found.id, answer, detail)
    log.info("resolved", payment_id=found.id, action=answer)


def resolve_follow_up(
    database: Database, source: str, intent_id: str, kind: str, answer: str, *, reason: str, by: str
) -> None:
    """Settle a parked receipt or text message; its payment stays as it is. `resend` asks the provider again, without
    looking first: there is nothing to look into.

    kind: one of FOLLOW_UPS. Raises as `resolve` does.
    """
    _must_be_answer(answer)
    to = _FOLLOW_UP_STATES[answer]
    decision = _decision(f"{kind}_{to}", reason, by)
    with database.transaction() as connection:
        found = _existing(resolutions.lock(connection, source, intent_id), source, intent_id)
        detail = f"decided by a person: {decision.reason}"
        if not follow_ups.resolve(connection, found.id, kind, to, detail):
            is_now = f"is {found.follow_ups[kind]}" if kind in found.follow_ups else "does not exist"
            what = f"the {FOLLOW_UPS[kind]} of {source}/{intent_id}"
            raise Unresolvable(f"{what} {is_now}; only a parked one is resolved, nothing was changed")
        resolutions.keep(connection, found.id, "parked", decision)
    log.info("follow-up resolved", payment_id=found.id, action=decision.action)


def cancel(database: Database, source: str, intent_id: str, *, reason: str, by: str) -> None:
    """Cancel a payment of which provably nothing reached its provider. Raises as `resolve` does."""
    decision = _decision(State.CANCELLED.value, reason, by)
    with database.transaction() as connection:
        found = _existing(resolutions.lock(connection, source, intent_id), source, intent_id)
        if found.state not in _CANCELLABLE:
            allowed = ", ".join(_CANCELLABLE)
            raise Unresolvable(
                f"{source}/{intent_id} is {found.state}; it can be cancelled only while {allowed}, nothing was changed"
            )
        if found.possibly_sent:
            raise Unresolvable(
                f"{source}/{intent_id} may have reached its provider, so it can't be cancelled; wait for its outcome,"
                " nothing was changed"
            )
        resolutions.keep(connection, found.id, found.state, decision)
        resolutions.finish(connection, found.id, State.CANCELLED.value, f"cancelled: {decision.reason}")
    log.info("cancelled", payment_id=found.id)


def _existing(found: Found | None, source: str, intent_id: str) -> Found:
    if found is None:
        raise Unresolvable(f"there is no payment {source}/{intent_id}; look for it with `settlepipe payments`")
    return found


def _must_be_answer(answer: str) -> None:
    if answer not in ANSWERS:
        raise ValueError(f"the answer must be one of {', '.join(ANSWERS)}")


def _decision(action: str, reason: str, by: str) -> Decision:
    reason, by = reason.strip(), by.strip()
    if not 0 < len(reason) <= MAX_REASON_CHARACTERS or "\x00" in reason:
        raise ValueError(f"the reason must have 1 to {MAX_REASON_CHARACTERS} characters")
    if not 0 < len(by) <= MAX_BY_CHARACTERS or "\x00" in by:
        raise ValueError(f"the name of who decides must have 1 to {MAX_BY_CHARACTERS} characters")
    return Decision(action, reason, by)

"""resolve: what a person decides about a payment that no program can decide. One transaction; kept for ever.

The provider's books are looked at before (`look`), and what they may show is neither sent again nor refused unless the
person says why, knowing it. Dying before the commit changes nothing; after it there is nothing left to do.
"""

from typing import Any

from shared import audit
from shared.database import store as whole
from shared.database.engine import Connection, Database
from shared.database.store import Seen
from shared.domain import decision as words
from shared.domain.answers import Verdict
from shared.domain.lines import is_number
from shared.domain.payment import FINAL, State
from shared.follow_ups import resolve as follow_ups
from shared.payments import agreed, guard
from shared.payments.dispute import dispute_evidence
from shared.payments.look import Look, Unresolvable, must_be_parked, told
from shared.payments.store import resolve as store
from shared.payments.store.resolve import Decision, Found
from shared.people import proposals
from shared.people.proposals import Approval, Kind, Proposal, Void
from shared.people.prove import NotAllowed, set_up
from shared.runtime import Runtime
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

ANSWERS = ("succeeded", "refused", "resend")
_FOLLOW_UP_STATES = {"succeeded": "issued", "refused": "refused", "resend": "waiting"}
FOLLOW_UPS = {"receipt": "receipt", "sms": "text message"}
_CANCELLABLE = (State.ACCEPTED, State.DISPATCHED, State.WAITING)
_LOOK = "look"  # the action of a row that holds what was shown, where nothing was decided


class NotDecided(Unresolvable):
    """What was asked for was not done; the message says why. What the look showed is kept, and was shown if the caller
    shows it: an `although` of the same person covers that. state: the payment's now."""

    def __init__(self, message: str, state: State = State.PARKED) -> None:
        super().__init__(message)
        self.state = state


def resolve(
    runtime: Runtime,
    look: Look,
    answer: str,
    *,
    reason: str,
    by: str,
    although: str | None = None,
    line: str | None = None,
    approval: Approval | None = None,
) -> State | Proposal:
    """Settle the parked payment that `look` looked at: `succeeded`, `refused`, or `resend` (a worker looks again just
    before it sends). What the books show as applied is succeeded, whatever the answer, and takes one person. The
    payment's new state; where two people have to agree the proposal, and nothing else is changed.

    although: why it is done in spite of what the same person was shown when this was refused before.
    line: the provider's number of the line that is this payment; with `succeeded` alone.
    approval: of the proposal that this is; it is done in the same transaction.
    Raises NotDecided, Unresolvable, what `must_be_right` does; with an approval what `agreed` does, and Void.
    """
    decision = must_be_right(answer, reason=reason, by=by, although=although, line=line)
    if look.result.verdict is Verdict.APPLIED:
        if approval is not None:
            with runtime.database.transaction() as connection:
                proposals.agreed(connection, approval)
            raise Void(f"{look.claim.payment.provider}'s books show {look.name} as applied now")
        return _succeed(runtime, look, decision)
    must_be_on(look, answer)
    with runtime.database.transaction() as connection:
        agreement = None if approval is None else agreed.agreement(connection, look, approval)
        objection = decide(connection, runtime, look, decision, approval)
        if isinstance(objection, Proposal):
            return objection
        _audit(connection, look, _LOOK if objection else answer, decision, approval)
        if objection is None:
            agreed.done(connection, agreement, approval)
    if objection is not None:
        raise NotDecided(objection)
    log.info("resolved", payment_id=look.claim.payment.id, action=answer, verdict=look.result.verdict.value)
    return State.UNKNOWN if answer == "resend" else State(answer)


def decide(
    connection: Connection, runtime: Runtime, look: Look, decision: Decision, approval: Approval | None
) -> Proposal | str | None:
    """Do it, in the caller's transaction, which ends with an audit record. None: it is done. A text: why it is not, and
    only what was shown is kept. A proposal: two people have to agree. Not for books that show the payment as applied.

    Raises as `resolve` does; with an approval NotAllowed where somebody looked meanwhile: it stays proposed.
    """
    payment = look.claim.payment
    found = locked(connection, look, runtime.seen)
    must_be_parked(payment.source, payment.intent_id, found.state)
    if (found.checks, found.attempts) != (look.claim.number, look.attempts):
        said = f"somebody else looked at {look.name} or decided about it meanwhile; nothing was changed, look again"
        raise Unresolvable(said) if approval is None else NotAllowed(said)
    objection = guard.objection(look, decision, store.shown(connection, payment.id, decision.by))
    if objection is not None and approval is not None:
        raise Void(objection)
    if objection is None and approval is None and agreed.needs_two(connection, runtime.settings, payment, decision):
        return agreed.proposed(connection, look, decision)
    if objection is None and decision.line is not None:
        taken_by = store.take(connection, payment.id, decision.line, decision.by)
        if taken_by is not None:
            raise Unresolvable(f"line {decision.line} is {taken_by} already, and one line is one payment's")
    if not look.off:
        store.looked(connection, payment.id, look.result)
    _keep(connection, look, _LOOK if objection else decision.action, decision, approval=approval)
    if objection is None:
        detail = f"decided by a person: {decision.reason}"
        if decision.action == "resend":
            store.resend(connection, payment.id, detail, runtime.limits.deadline_s)
        else:
            number = decision.line if decision.line is None or is_number(decision.line) else None
            store.finish(connection, payment.id, decision.action, detail, number)
    return objection


def became(state: str) -> str:
    """What a payment's new state means, behind its name in a sentence."""
    sent = "is looked up at its provider by a worker, then sent if it isn't there"
    return sent if state == State.UNKNOWN else f"is {state}"


def must_be_on(look: Look, answer: str) -> None:
    """Raises Unresolvable for a resend where nobody could look."""
    if look.off and answer == "resend":
        raise Unresolvable(f"nobody could look for {look.name}, nor send it: {look.result.detail}")


def must_be_right(
    answer: str, *, reason: str, by: str, although: str | None = None, line: str | None = None
) -> Decision:
    """The decision in these words. Raises ValueError for a bad answer, reason, name, although or line."""
    _must_be_answer(answer)
    if line is not None and answer != State.SUCCEEDED:
        raise ValueError("the number of a line must go with succeeded; leave it out")
    return _decision(answer, reason, by, although, line)


def _succeed(runtime: Runtime, look: Look, decision: Decision) -> State:
    """The books show it, by our own reference. That is believed in every state, as a check's evidence is, and takes no
    second person, as a check takes none."""
    payment, wanted = look.claim.payment, decision.action != State.REFUSED
    with runtime.database.transaction() as connection:
        found = locked(connection, look, runtime.seen)
        final = found.state in FINAL
        if not final:
            action = decision.action if wanted else _LOOK
            store.looked(connection, payment.id, look.result)
            _keep(connection, look, action, decision, from_state=found.state)
            store.applied(connection, payment.id, look.result)
            _audit(connection, look, action, decision)
    if final:
        dispute_evidence(runtime, payment.id, look.result.evidence)
        must_be_parked(payment.source, payment.intent_id, found.state)
    log.info("resolved", payment_id=payment.id, action=decision.action, verdict=look.result.verdict.value)
    if not wanted:
        said = f"{look.name} is succeeded, not refused: the provider's books show it ({look.result.detail})"
        raise NotDecided(said, State.SUCCEEDED)
    return State.SUCCEEDED


def locked(connection: Connection, look: Look, seen: Seen) -> Found:
    """The payment that was looked at, locked until the transaction ends. seen: what this process saw of its database.
    Raises Unresolvable, HeldError."""
    return _existing(connection, look.claim.payment.source, look.claim.payment.intent_id, seen)


def _keep(
    connection: Connection,
    look: Look,
    action: str,
    decision: Decision,
    *,
    from_state: str = State.PARKED.value,
    approval: Approval | None = None,
) -> None:
    kept = Decision(action, decision.reason, decision.by, decision.although, decision.line)
    asked = {"asked": decision.action, "check": look.claim.number + 1}
    by = None if approval is None else approval.by
    store.keep(connection, look.claim.payment.id, from_state, kept, {**asked, **told(look.result)}, approved_by=by)


def _audit(
    connection: Connection, look: Look, action: str, decision: Decision, approval: Approval | None = None
) -> None:
    seen = {"verdict": look.result.verdict.value, "check": look.claim.number + 1}
    content = {"asked": decision.action, "although": decision.although, "line": decision.line, **seen}
    if approval is not None:
        content |= {"proposal": approval.number, "approved_by": approval.by}
    audit.write(connection, f"payment.{action}", look.name, by=decision.by, reason=decision.reason, content=content)


def resolve_follow_up(
    database: Database,
    source: str,
    intent_id: str,
    kind: str,
    answer: str,
    *,
    reason: str,
    by: str,
    approval: Approval | None = None,
    seen: Seen | None = None,
) -> Proposal | None:
    """Settle a parked receipt or text message; its payment stays as it is. `resend` asks the provider again, without
    looking first: there is nothing to look into. A proposal, and nothing else, where two people have to agree.

    kind: one of FOLLOW_UPS. seen: what a process that runs on saw of its database. Raises as `resolve` does.
    """
    _must_be_answer(answer)
    to = _FOLLOW_UP_STATES[answer]
    decision = _decision(f"{kind}_{to}", reason, by)
    subject = f"{source}/{intent_id}"
    with database.transaction() as connection:
        agreement = None if approval is None else proposals.agreed(connection, approval)
        found = _existing(connection, source, intent_id, seen)
        if agreement is not None and agreement.seen.get("attempts") != found.asked_for.get(kind):
            raise Void(f"the {FOLLOW_UPS[kind]} of {subject} was asked for since")
        if found.follow_ups.get(kind) == "parked" and answer != "resend" and agreement is None and set_up(connection):
            asked = {"source": source, "intent_id": intent_id, "kind": kind, "answer": answer}
            given: dict[str, Any] = {"asked": asked, "seen": {"state": "parked", "attempts": found.asked_for[kind]}}
            return proposals.propose(
                connection, Kind.FOLLOW_UP, subject, **given, reason=decision.reason, by=decision.by
            )
        detail = f"decided by a person: {decision.reason}"
        if not follow_ups.resolve(connection, found.id, kind, to, detail):
            is_now = f"is {found.follow_ups[kind]}" if kind in found.follow_ups else "does not exist"
            what = f"the {FOLLOW_UPS[kind]} of {subject}"
            raise Unresolvable(f"{what} {is_now}; only a parked one is resolved, nothing was changed")
        store.keep(connection, found.id, "parked", decision, approved_by=approval.by if approval else None)
        _audit_alone(connection, source, intent_id, decision)
        proposals.done(connection, agreement, approval)
    log.info("follow-up resolved", payment_id=found.id, action=decision.action)
    return None


def cancel(database: Database, source: str, intent_id: str, *, reason: str, by: str, seen: Seen | None = None) -> None:
    """Cancel a payment of which provably nothing reached its provider. Raises as `resolve` does."""
    decision = _decision(State.CANCELLED.value, reason, by)
    with database.transaction() as connection:
        found = _existing(connection, source, intent_id, seen)
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
        store.keep(connection, found.id, found.state, decision)
        store.finish(connection, found.id, State.CANCELLED.value, f"cancelled: {decision.reason}")
        _audit_alone(connection, source, intent_id, decision)
    log.info("cancelled", payment_id=found.id)


def _audit_alone(connection: Connection, source: str, intent_id: str, decision: Decision) -> None:
    subject = f"{source}/{intent_id}"
    audit.write(connection, f"payment.{decision.action}", subject, by=decision.by, reason=decision.reason)


def _existing(connection: Connection, source: str, intent_id: str, seen: Seen | None = None) -> Found:
    """The payment, locked. Raises HeldError while nothing may be decided. seen: what a process that runs on saw of its
    database."""
    whole.require(connection, seen or Seen())
    found = store.lock(connection, source, intent_id)
    if found is None:
        raise Unresolvable(f"there is no payment {source}/{intent_id}; look for it with `settlepipe payments`")
    return found


def _must_be_answer(answer: str) -> None:
    if answer not in ANSWERS:
        raise ValueError(f"the answer must be one of {', '.join(ANSWERS)}")


def _decision(action: str, reason: str, by: str, although: str | None = None, line: str | None = None) -> Decision:
    return Decision(
        action,
        reason=words.reason(reason),
        by=words.by(by),
        although=None if although is None else words.reason(although, "text of although"),
        line=None if line is None else words.line(line),
    )

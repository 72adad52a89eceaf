"""agreed: what takes two people, and what a second one finds as the first one did."""

import hashlib
import json
from typing import Any

from shared.database.engine import Connection
from shared.domain.money import parse_amount
from shared.domain.payment import Payment
from shared.payments.look import Look, Unresolvable, same_books, told
from shared.payments.store import resolve as store
from shared.payments.store.resolve import Decision
from shared.people import proposals
from shared.people.proposals import Approval, Kind, Proposal, Void, propose
from shared.people.prove import set_up
from shared.settings import Settings


def needs_two(connection: Connection, settings: Settings, payment: Payment, decision: Decision) -> bool:
    """Does this decision take two people? None does while nobody is set up.

    A resend alone is one person's, up to a sum (`PEOPLE__RESEND_ALONE`): a worker looks before it sends.
    """
    if not set_up(connection):
        return False
    if decision.action != "resend" or decision.although is not None:
        return True
    alone = settings.people.resend_alone.get(payment.currency)
    return alone is None or payment.amount_minor > parse_amount(f"{alone:f}", payment.currency)


def proposed(connection: Connection, look: Look, decision: Decision) -> Proposal:
    """Keep what a person asks for, with what the look showed."""
    payment = look.claim.payment
    asked = {"source": payment.source, "intent_id": payment.intent_id, **words(decision)}
    given: dict[str, Any] = {"reason": decision.reason, "by": decision.by}
    return propose(connection, Kind.RESOLVE, look.name, asked=asked, seen=seen(look), **given)


def words(decision: Decision) -> dict[str, Any]:
    """A decision's words, but for who and why."""
    return {"answer": decision.action, "although": decision.although, "line": decision.line}


def seen(look: Look) -> dict[str, Any]:
    """What a proposal about a payment rests on."""
    return {"attempts": look.attempts, "books": told(look.result)}


def must_be_so(look: Look, then: Any) -> None:
    """Raises Void where the payment, or its provider's books, are other than they were when it was proposed."""
    if look.attempts != then["attempts"]:
        raise Void(f"{look.name} was claimed for sending since")
    if not same_books(then["books"], told(look.result)):
        raise Void(f"{look.claim.payment.provider}'s books show something else for {look.name} now")


def shown(*what: Any) -> str:
    """A digest of what would be decided, by which it is said that this was seen. what: as JSON has it."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]


def agreement(connection: Connection, look: Look, approval: Approval) -> Proposal:
    """What is approved, locked; the payment and its books are as they were when it was proposed. Of many, each payment
    is decided once by it. Raises what `proposals.agreed` does, Void, Unresolvable."""
    found = proposals.agreed(connection, approval)
    if found.kind is not Kind.MANY:
        must_be_so(look, found.seen)
        return found
    payment = look.claim.payment
    if store.decided_since(connection, payment.source, payment.intent_id, found.proposed_at) is not None:
        raise Unresolvable(f"{look.name} was decided since it was proposed")
    must_be_so(look, found.seen[look.name])
    return found


def done(connection: Connection, found: Proposal | None, approval: Approval | None) -> None:
    """The deed of an approval is done, in this transaction. Of many, whoever goes through them says so at the end."""
    if found is None or found.kind is not Kind.MANY:
        proposals.done(connection, found, approval)

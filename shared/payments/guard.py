"""guard: what a person may not decide about a payment, given what its provider's books show. Pure."""

from collections.abc import Mapping
from typing import Any

from shared.domain.answers import Verdict
from shared.domain.payment import State
from shared.payments.look import Look, covers, told
from shared.payments.store.resolve import Decision


def objection(look: Look, decision: Decision, shown: Mapping[str, Any] | None) -> str | None:
    """Why `decision` is not to be done now, in a sentence; None: it is. Not for books that show the payment as applied.

    shown: what this person was shown when a decision was refused before; an `although` covers that and no more.
    """
    problem = against(look, decision)
    if problem is None:
        return None
    if decision.action == "resend" and (look.result.own or look.result.for_person):
        return f"{problem}; that is never sent again, whatever is said: it is succeeded or refused"
    if decision.although is None:
        return f"{problem}; to do so nevertheless, say why with --although beside the reason"
    if covers(shown, told(look.result)):
        return None
    return f"{problem}; --although covers what {decision.by} was shown before, and this was not: decide anew"


def against(look: Look, decision: Decision) -> str | None:
    """What of the books speaks against `decision`, in a sentence; None: nothing, or an `although` speaks for it."""
    if decision.action == "resend":
        return _against_resending(look)
    if decision.action == State.REFUSED:
        return _against_refusing(look, decision)
    return _against_succeeding(look, decision)


def _against_resending(look: Look) -> str | None:
    if look.result.verdict is Verdict.NOT_APPLIED or look.result.unread:
        return None  # a worker looks before it sends, and sends on NOT_APPLIED alone
    return f"{look.name} is not sent again: {look.result.detail}"


def _against_refusing(look: Look, decision: Decision) -> str | None:
    if look.result.verdict is Verdict.NOT_APPLIED:
        return None
    if not look.result.unread:
        return f"{look.name} is not refused: {look.result.detail}"
    if decision.although is not None:
        return None  # nothing was shown that could be other than it was
    return f"{look.name} is not refused, nobody could look: {look.result.detail}"


def _against_succeeding(look: Look, decision: Decision) -> str | None:
    if look.result.verdict is Verdict.NOT_APPLIED:
        return f"{look.name} is not taken for succeeded: {look.result.detail}"
    numbers = {line.get("number") for line in look.result.shown}
    if decision.line is None or look.result.unread or decision.line in numbers:
        return None
    return f"{look.name} is not taken for succeeded: of what may be this payment, no line is {decision.line}"

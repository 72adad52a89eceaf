"""What a person decides about one payment: by the same verbs, and with the same audit, as by command."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.payments import resolve as flow
from shared.payments.look import Look, told
from shared.payments.look import look as look_at
from shared.people.proposals import Proposal
from worker.web.rooms import payment
from worker.web.rooms.answers import Answer, Asked, Go, Refused

_COMMANDS = {"with --although beside the reason": "under “although”", "--although": "“although”"}


def look(asked: Asked) -> Answer:
    """What the provider's books show of a parked payment now. Nothing is kept."""
    found = look_at(asked.room.runtime, asked.path["source"], asked.path["intent_id"])
    return payment.shown(asked, look=_told(found))


def resolve(asked: Asked) -> Answer:
    """Settle a parked payment, after a look. What is refused is shown with what the look found: an “although” of the
    same person covers that."""
    words: Mapping[str, Any] = {
        "reason": asked.text("reason"),
        "by": asked.who.name,
        "although": asked.text("although") or None,
        "line": asked.text("line") or None,
    }
    answer = asked.text("answer", 20)
    try:
        flow.must_be_right(answer, **words)  # before a provider is asked
    except ValueError as error:
        return payment.shown(asked, status=422, wrong=_sentence(error), words=asked.form)
    runtime = replace(asked.room.runtime, database=asked.once())
    found = look_at(asked.room.runtime, asked.path["source"], asked.path["intent_id"])
    if asked.text("attempts", 20) != str(found.attempts):
        raise Refused(asked.say("It was sent again since this page was shown. Open the page again; nothing was done."))
    try:
        state = flow.resolve(runtime, found, answer, **words)
    except flow.NotDecided as error:
        return payment.shown(asked, status=409, wrong=_sentence(error), words=asked.form, look=_told(found))
    return _go(asked, "proposed" if isinstance(state, Proposal) else str(state))


def cancel(asked: Asked) -> Answer:
    """Cancel a payment of which provably nothing was sent."""
    runtime = asked.room.runtime
    given = {"reason": asked.text("reason"), "by": asked.who.name, "seen": runtime.seen}
    flow.cancel(asked.once(), asked.path["source"], asked.path["intent_id"], **given)  # type: ignore[arg-type]
    return _go(asked, "cancelled")


def follow_up(asked: Asked) -> Answer:
    """Settle a parked receipt or text message."""
    kind, answer = asked.text("kind", 20), asked.text("answer", 20)
    if kind not in flow.FOLLOW_UPS:
        raise Refused(asked.say("A follow-up is a receipt or a text message; nothing was changed."), 422)
    named = (asked.path["source"], asked.path["intent_id"], kind, answer)
    reason, seen = asked.text("reason"), asked.room.runtime.seen
    made = flow.resolve_follow_up(asked.once(), *named, reason=reason, by=asked.who.name, seen=seen)
    return _go(asked, "followed" if made is None else "proposed")


def _go(asked: Asked, said: str) -> Answer:
    return Go(f"/payments/{asked.path['source']}/{asked.path['intent_id']}?said={said}")


def _told(found: Look) -> Mapping[str, Any]:
    """As a page shows it: columns that some line has, and the lines."""
    seen = dict(told(found.result))
    columns = list(dict.fromkeys(column for line in found.result.shown for column in line))
    seen["columns"] = [column for column in columns if any(column in line for line in seen["lines"])]
    seen["provider"] = found.claim.payment.provider
    return seen


def _sentence(error: Exception) -> str:
    text = str(error)
    for command, words in _COMMANDS.items():
        text = text.replace(command, words)
    return f"{text[:1].upper()}{text[1:]}."

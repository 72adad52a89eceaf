"""A payment and everything that was done about it, as `settlepipe payment` has it."""

from collections.abc import Mapping
from typing import Any

from shared.domain.payment import FINAL, State
from shared.domain.words import Say
from shared.payments import told, views
from shared.payments.pairs import pairs
from shared.people import proposals
from worker.web.rooms.answers import Answer, Asked, Html, Refused
from worker.web.rooms.drawing import masked, sees

# What of a payment is about a customer, and what a provider said of one.
_PERSONAL = ("target", "metadata", "detail")
_PERSONAL_HISTORY = ("detail", "facts", "evidence", "look", "answer_body")
_FIRST = ("state", "hold_reason", "operation", "provider", "refund_of", "attempts", "code", "detail", "next")
_MOST = 500  # entries of a history


def page(asked: Asked) -> Answer:
    """One payment."""
    return shown(asked)


def place(asked: Asked) -> str:
    """The provider whose books this payment is looked for in."""
    with asked.read() as connection:
        return views.provider_of(connection, asked.path["source"], asked.path["intent_id"]) or ""


def shown(asked: Asked, *, status: int = 200, **more: Any) -> Answer:
    """The page with something said on it."""
    source, intent_id = asked.path["source"], asked.path["intent_id"]
    with asked.read() as connection:
        number = views.payment_id(connection, source, intent_id)
        if number is None:
            raise Refused(asked.say("There is no such payment. Look for it by another word."), 404)
        found = views.payment(connection, number, asked.say)
        asked_for = [one for one in proposals.listed(connection) if one.subject == f"{source}/{intent_id}"]
        found_pairs = pairs(connection, found["provider"], [number]) if found["state"] == State.PARKED else ()
    lines = [one.told() for one in found_pairs]
    history = found.pop("history")
    plain = sees(asked.session)
    entries = [_entry(entry, plain, asked.word) for entry in history[-_MOST:]]
    given = {
        "payment": found if plain else {name: masked(v) if name in _PERSONAL else v for name, v in found.items()},
        "first": _FIRST,
        "name": f"{source}/{intent_id}",
        "entries": list(reversed(entries)),
        "left_out": max(0, len(history) - _MOST),
        "parked": found["state"] == State.PARKED,
        "final": State(found["state"]) in FINAL,
        "tone": tone(found["state"], found["hold_reason"]),
        "plain": plain,
        "pairs": lines,
        "proposals": asked_for,
        "follow_ups": _parked(history),
        "look": None,
        "words": {},
        "wrong": None,
        "here": "search",
    }
    return Html("payment.html", given | more, status)


def _parked(history: list[Mapping[str, Any]]) -> list[str]:
    """Receipts and messages that wait for a person."""
    return [entry["what"] for entry in history if entry["what"] in ("receipt", "sms") and entry["state"] == "parked"]


def tone(state: str, hold_reason: str | None = None) -> str:
    """The colour of a state: agrees, act, watch, settled."""
    match State(state):
        case State.SUCCEEDED:
            return "agrees"
        case State.PARKED:
            return "act"
        case State.REFUSED | State.CANCELLED:
            return "settled"
        case State.UNKNOWN:
            return "watch"
    return "watch" if hold_reason else "calm"


def _entry(entry: Mapping[str, Any], plain: bool, say: Say) -> Mapping[str, Any]:
    seen = {name: value if plain or name not in _PERSONAL_HISTORY else None for name, value in entry.items()}
    kept = {name: seen[name] for name in ("evidence", "facts") if seen.get(name)}
    said = {"what": told.what(entry, say), "says": told.says(seen, say)}
    return {"at": entry["at"], **said, "kind": entry["what"], "kept": kept}

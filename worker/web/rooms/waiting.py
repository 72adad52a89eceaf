"""The inbox: what waits for a person, each with where it is decided."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from shared.inbox import Kind, Order, Waiting
from shared.inbox import waiting as look
from shared.reconciliation.report.words import words
from worker.web.rooms.answers import Answer, Asked, Html
from worker.web.rooms.drawing import masked, sees

ROWS = 50
_FURTHEST = 10_000
_OPEN = "the breaker is open"

# Where each kind is decided, and what the link says.
_WHERE: Mapping[Kind, str] = {
    Kind.PAYMENT: "/payments/{subject}",
    Kind.HOLD: "/payments/{subject}",
    Kind.RECEIPT: "/payments/{subject}",
    Kind.SMS: "/payments/{subject}",
    Kind.LANE: "/lanes",
    Kind.ACCOUNT: "/accounts",
    Kind.QUARANTINE: "/quarantine/{number}",
    Kind.PROPOSAL: "/proposals/{number}",
    Kind.DISCREPANCY: "/discrepancies/{number}",
    Kind.DAY: "/days/{provider}/{subject}",
}

# Of these the reason may be a provider's text about a customer.
_CUSTOMERS = frozenset({Kind.PAYMENT, Kind.HOLD, Kind.RECEIPT, Kind.SMS})


def page(asked: Asked) -> Answer:
    """A page of it, the oldest or the largest sums first."""
    kind, order = asked.query.get("kind", ""), asked.query.get("order", Order.AGE)
    skip = min(asked.whole("skip", 6) or 0, _FURTHEST)
    with asked.read() as connection:
        found = look(
            connection,
            kind=Kind(kind) if kind in list(Kind) else None,
            order=Order(order) if order in list(Order) else Order.AGE,
            limit=ROWS + 1,
            skip=skip,
        )
    given = {"rows": [_row(one, sees(asked.session), asked) for one in found[:ROWS]], "kinds": list(Kind), "kind": kind}
    given |= {"order": order, "following": skip + ROWS if len(found) > ROWS and skip < _FURTHEST else None}
    return Html("inbox.html", {**given, "skip": skip, "here": "inbox"})


def _row(one: Waiting, plain: bool, asked: Asked) -> Mapping[str, Any]:
    where = _WHERE.get(one.kind)
    named = {"subject": quote(one.subject or "", safe="/"), "number": one.number, "provider": one.provider}
    shown: dict[str, Any] = {"one": one, "where": where and where.format(**named)}
    if plain:
        return shown | {"target": one.target, "reason": _reason(one, asked), "pairs": one.pairs}
    said = None if one.kind in _CUSTOMERS else _reason(one, asked)
    return shown | {"target": one.target and masked(one.target), "reason": said, "pairs": ()}


def _reason(one: Waiting, asked: Asked) -> str | None:
    """Why it waits: what a code or we say in the page's language, what somebody said as it is."""
    said = one.reason
    if said is None:
        return None
    first, _, rest = said.partition(": ")
    match one.kind:
        case Kind.DISCREPANCY:
            return asked.say(words(said).title)
        case Kind.HOLD:
            return asked.word(first) + (f": {rest}" if rest else "")
        case Kind.LANE:
            return "; ".join(_stands(said, asked))
        case Kind.PROPOSAL:
            kind, _, who = first.partition(", proposed by ")
            said = asked.say("%(kind)s, proposed by %(who)s: %(why)s", kind=asked.word(kind), who=who, why=rest)
        case _:
            said = asked.say(said)
    return said


def _stands(said: str, asked: Asked) -> Iterator[str]:
    """Why a lane stands: who paused it, what halted it, its breaker, each that is so. As `shared/inbox.sql` puts it."""
    said, is_open = said.removesuffix(_OPEN).removesuffix("; "), said.endswith(_OPEN)
    if said.startswith("paused by "):
        who, _, said = said.removeprefix("paused by ").partition("; ")
        yield asked.say("paused by %(who)s", who=who)
    if said.startswith("halted: "):
        yield asked.say("halted: %(why)s", why=said.removeprefix("halted: "))
    if is_open:
        yield asked.say("breaker open")

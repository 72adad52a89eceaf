"""The inbox: what waits for a person, each with where it is decided."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from shared.inbox import Kind, Order, Waiting
from shared.inbox import waiting as look
from worker.web.rooms.answers import Answer, Asked, Html
from worker.web.rooms.drawing import masked, sees

ROWS = 50
_FURTHEST = 10_000

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
    given = {"rows": [_row(one, sees(asked.session)) for one in found[:ROWS]], "kinds": list(Kind), "kind": kind}
    given |= {"order": order, "following": skip + ROWS if len(found) > ROWS and skip < _FURTHEST else None}
    return Html("inbox.html", {**given, "skip": skip, "here": "inbox"})


def _row(one: Waiting, plain: bool) -> Mapping[str, Any]:
    where = _WHERE.get(one.kind)
    named = {"subject": quote(one.subject or "", safe="/"), "number": one.number}
    shown: dict[str, Any] = {"one": one, "where": where and where.format(**named)}
    if plain:
        return shown | {"target": one.target, "reason": one.reason, "pairs": one.pairs}
    said = None if one.kind in _CUSTOMERS else one.reason
    return shown | {"target": one.target and masked(one.target), "reason": said, "pairs": ()}

"""What waits for a person, and the command that ends it. Reads only.

Nothing here ends by itself: a parked payment, receipt or message, a held payment whose account somebody has to choose
or confirm, an account that changed, what is in quarantine, an open discrepancy, a signed day that changed since, a lane
that was halted or paused, a store that is held. What the machine still works on is not here.
"""

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.domain.money import format_amount
from shared.domain.payment import HoldReason
from shared.payments.pairs import pairs

_SQL = statements(__file__)


class Kind(StrEnum):
    """What it is that waits."""

    STORE = "store"
    LANE = "lane"
    PAYMENT = "payment"
    HOLD = "hold"
    RECEIPT = "receipt"
    SMS = "sms"
    ACCOUNT = "account"
    QUARANTINE = "quarantine"
    DISCREPANCY = "discrepancy"
    DAY = "day"
    PROPOSAL = "proposal"


class Order(StrEnum):
    """age: the oldest first. money: the largest sum of each currency first, what has no sum at the end."""

    AGE = "age"
    MONEY = "money"


_WHY = "--reason TEXT --by NAME"
# `{}` is how the entry is named; what a person has to choose stands in capitals, or between bars.
_DECIDE: Mapping[Kind, str] = {
    Kind.STORE: "settlepipe recover --by NAME",
    Kind.LANE: f"settlepipe lanes resume {{}} {_WHY}",
    Kind.PAYMENT: f"settlepipe resolve {{}} --as succeeded|refused|resend {_WHY}",
    Kind.HOLD: f"settlepipe cancel {{}} {_WHY}",
    Kind.RECEIPT: f"settlepipe resolve {{}} --receipt --as succeeded|refused|resend {_WHY}",
    Kind.SMS: f"settlepipe resolve {{}} --sms --as succeeded|refused|resend {_WHY}",
    Kind.QUARANTINE: "settlepipe quarantine show {}",
    Kind.PROPOSAL: "settlepipe approve {} --by NAME",
    Kind.DISCREPANCY: f"settlepipe discrepancies close {{}} {_WHY}",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that waits. since: RFC 3339, UTC. amount: as text, with all the currency's places, or None.

    target: the account it would be paid to, as upstream or the provider's list gave it. It is for people's eyes, and
    for no log. pairs: lines of the provider's books that may be this payment. decide: the command that ends it; what a
    person has to choose stands in capitals or between bars. number: by which that command names it.
    """

    kind: Kind
    provider: str | None
    subject: str | None
    since: str
    age_s: int
    amount: str | None
    currency: str | None
    reason: str | None
    decide: str
    target: Mapping[str, Any] | None = field(default=None, repr=False)
    pairs: Sequence[Mapping[str, Any]] = ()
    number: str | None = None


def waiting(
    connection: Connection,
    *,
    kind: Kind | None = None,
    provider: str | None = None,
    order: Order = Order.AGE,
    limit: int = 1000,
    skip: int = 0,
) -> Sequence[Waiting]:
    """At most `limit` of what waits, behind the first `skip`, as of one moment; a held store is always the first."""
    given = {"kind": kind, "provider": provider, "by_money": order is Order.MONEY, "limit": limit, "skip": skip}
    given |= {"most": limit + skip}
    rows = connection.execute(_SQL["waiting"], given).fetchall()
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    payments = [row["payment"] for row in rows if row["payment"] is not None]
    for pair in pairs(connection, provider, payments) if payments else ():
        found[pair.payment].append(pair.told())
    return [_waiting(row, found[row["number"]] if row["kind"] == Kind.PAYMENT else ()) for row in rows]


def _waiting(row: Row, lines: Sequence[Mapping[str, Any]]) -> Waiting:
    kind, amount = Kind(row["kind"]), row["amount"]
    if amount is None and row["amount_minor"] is not None:
        amount = format_amount(int(row["amount_minor"]), row["currency"])
    told = {name: row[name] for name in ("provider", "subject", "since", "age_s", "currency", "reason", "target")}
    return Waiting(kind=kind, amount=amount, decide=_decide(kind, row), pairs=lines, number=row["number"], **told)


def _decide(kind: Kind, row: Row) -> str:
    if kind is Kind.ACCOUNT:
        named = " ".join(shlex.quote(part) for part in (row["provider"], row["subject"], row["number"]))
        return f"settlepipe accounts confirm {named} {_WHY}"
    if kind is Kind.DAY:
        of, role, books = row["number"].split()
        provider, _, day = of.partition("/")
        return f"settlepipe discrepancies sign {provider} --date {day} --as {role} --books {books} --by NAME"
    service = (row["target"] or {}).get("biller_service_id") if kind is Kind.HOLD else None
    if service is not None and str(row["reason"]).startswith(HoldReason.AMBIGUOUS_ACCOUNT):
        return f"settlepipe accounts choose {row['provider']} {shlex.quote(str(service))} ACCOUNT {_WHY}"
    return _DECIDE[kind].format(shlex.quote(row["number"] or ""))

"""mtn's books as a night's comparison reads them: `paidBill` of an account. There is no list over all accounts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.domain.money import places
from shared.domain.records import BookLine
from shared.domain.reference import is_reference
from shared.providers import reading
from shared.providers.base import Statement
from shared.providers.mtn import wire
from shared.providers.mtn.account import adds_up, applied, lines_of
from shared.providers.mtn.bodies import Target
from shared.providers.mtn.login import Door
from shared.providers.mtn.lookups import PAID, Lookups

_WHAT = "payments of an account"


@dataclass(frozen=True, slots=True)
class StatementReads:
    """The reads. Thread-safe."""

    door: Door
    lookups: Lookups

    def statement(self) -> Statement:
        return Statement(self._account)

    def _account(self, account: str) -> list[BookLine]:
        """account: `<customerType>:<id>`, as in our books keys."""
        customer_type, _, number = account.partition(":")
        try:
            target = Target(id_type="any", id=number, customer_type=int(customer_type))
        except ValueError:  # also pydantic's
            raise reading.unlike(_WHAT, "there is no such account") from None
        auth = self.door.authorise()
        outcome = self.lookups.get(target.path, {"customerType": target.customer_type, **PAID}, auth)
        reading.let_in("mtn", outcome, auth, key_alone=self.door.key_alone)
        result = wire.result_of(reading.document(_WHAT, outcome))
        if result is None:
            raise reading.unlike(_WHAT)
        if not result.ok:
            raise reading.unlike(_WHAT, f"resultCode {result.shown}")
        self.lookups.keep(outcome)
        return _lines(result.data, account)


def _lines(data: Any, account: str) -> list[BookLine]:
    found = applied(data)
    units = [(one, _unit(one.total)) for one in found.payments]
    if not found.tells or not all(adds_up(one, unit) for one, unit in units if unit):
        raise reading.unlike(_WHAT, "the list is not whole")
    rows = [*(payment for one in found.payments for payment in one.payments), *found.odd]
    return [_line(row, account) for row in rows]


def _line(payment: object, account: str) -> BookLine:
    currency = _unit(payment.get("paidAmount")) if isinstance(payment, dict) else ""
    # one payment is one line, whatever its references
    line = next(lines_of(payment, currency)) if isinstance(payment, dict) and currency else None
    if line is None or line.amount_minor is None:
        if reading.reference_in(payment):
            raise reading.unlike(_WHAT, "an amount can't be read")
        return reading.unreadable(payment, account, currency, None, touched=True)
    # The day of a payment of ours is the one that we gave it: nobody tells when it was booked.
    echoed = line.marker is not None and is_reference(line.marker)
    return BookLine(
        kind="payment",
        account=account,
        marker=line.marker,
        amount_minor=line.amount_minor,
        currency=currency,
        at=None if echoed or line.at is None else line.at - timedelta(days=1),
        reference=line.reference,
        status=None,
        touched=True,
    )


def _unit(money: Any) -> str:
    """The currency of a `Money`; empty where it is none that money is counted in."""
    unit = money.get("unit") if isinstance(money, Mapping) else None
    try:
        return unit if isinstance(unit, str) and places(unit) >= 0 else ""
    except ValueError:
        return ""

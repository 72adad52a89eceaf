"""Which bank account a bill is paid to: the one that billcenter lists for its service and customer, never guessed."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.domain.payment import HoldReason
from shared.domain.request import Hold
from shared.providers.billcenter import bodies


def account_choice(target: bodies.Target, listed: Sequence[Mapping[str, Any]], *, confirm_changed: bool) -> str | Hold:
    """The account's number: the only one that fits, or the one of them that a person chose. A Hold where none or more
    than one of the `listed` (the service's rows of the directory)
    fits the customer, and, with confirm_changed, where a person has not yet confirmed the one that does."""
    service = target.biller_service_id
    rows = _fitting(listed, target.bs_customer_code)
    if not rows:
        return Hold(HoldReason.NO_ACCOUNT, f"no MNT bank account for service {service} and this customer")
    rows = [row for row in rows if row.get("chosen") is True] or rows
    if len(rows) > 1:
        return Hold(HoldReason.AMBIGUOUS_ACCOUNT, f"{len(rows)} bank accounts for service {service}")
    if rows[0].get("confirmed") is False and confirm_changed:
        return Hold(HoldReason.ACCOUNT_UNCONFIRMED, f"service {service} has a changed bank account to confirm")
    return str(rows[0]["account"])


def _fitting(listed: Sequence[Mapping[str, Any]], bs_customer_code: str) -> list[Mapping[str, Any]]:
    """Where a service's accounts carry a `khut_type` (the branches of the Ulaanbaatar electricity network: our
    reading, the document does not say which service that is), the customer code's first digit chooses."""
    rows = [row for row in listed if row.get("account") and row.get("currency") in (None, "", bodies.CURRENCY)]
    if any(row.get("khut_type") not in (None, "") for row in rows):
        rows = [row for row in rows if str(row.get("khut_type")) == bs_customer_code[0]]
    return rows

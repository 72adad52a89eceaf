"""confirm: a person says that a changed bank account is the biller's. One transaction; kept for ever.

Dying before the commit changes nothing. After it, what is held for the account goes by itself: the list has a new
version, and the dispatcher builds again what waits for it.
"""

from typing import Any

from shared import audit
from shared.database.engine import Database, Row
from shared.directory.store import accounts
from shared.domain import decision
from shared.people import proposals
from shared.people.proposals import Approval, Kind, Proposal, Void
from shared.people.prove import set_up
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

_REASON = "the account is the biller's"


class Unconfirmable(Exception):  # noqa: N818 - says what is so
    """There is no such open account, or several. Nothing was changed; the message says why, without its number."""


def confirm(
    database: Database,
    provider: str,
    service: str,
    account: str,
    *,
    by: str,
    reason: str | None = None,
    bank_code: str | None = None,
    khut_type: str | None = None,
    approval: Approval | None = None,
) -> Row | Proposal:
    """Let payments go to a changed account: the row as it was found, with `to_confirm` and who confirmed it earlier.
    Once people are set up it is a proposal first, until another one agrees (`approval`).

    Confirming again changes nothing: the first person stays. Raises Unconfirmable, ValueError for a bad name or reason;
    with an approval what `proposals.agreed` does, and Void.
    """
    by = decision.by(by, "name of who confirms")
    reason = None if reason is None else decision.reason(reason)
    with database.transaction() as connection:
        agreement = None if approval is None else proposals.agreed(connection, approval)
        found = accounts.find(connection, provider, service, account, bank_code=bank_code, khut_type=khut_type)
        row = _one(found, provider, service)
        if agreement is not None and not (row["to_confirm"] and row["id"] == agreement.seen["row"]):
            raise Void("another account waits there now, or none")
        if row["to_confirm"] and agreement is None and set_up(connection):
            asked = words(provider, service, account, bank_code=bank_code, khut_type=khut_type)
            given: dict[str, Any] = {"asked": asked, "seen": {"row": row["id"]}, "reason": reason or _REASON, "by": by}
            return proposals.propose(connection, Kind.CONFIRM, f"{provider}/{service}", **given)
        if row["to_confirm"]:
            accounts.confirm(connection, row["id"], by)
            content = {"account": account, "row": row["id"], **{name: row[name] for name in ("bank_code", "khut_type")}}
            audit.write(connection, "account.confirmed", f"{provider}/{service}", by=by, reason=reason, content=content)
        proposals.done(connection, agreement, approval)
    if row["to_confirm"]:
        log.info("an account was confirmed", provider=provider, biller_service=service, row=row["id"])
    return row


def words(
    provider: str, service: str, account: str, *, bank_code: str | None, khut_type: str | None
) -> dict[str, str | None]:
    """What a proposal about an account keeps of how it was named."""
    return {"provider": provider, "service": service, "account": account, "bank": bank_code, "khut_type": khut_type}


def _one(found: list[Row], provider: str, service: str) -> Row:
    is_open = [row for row in found if row["closed_at"] is None]
    waiting = [row for row in is_open if row["to_confirm"]]
    if not is_open:
        why = "this account is closed" if found else "there is no such account"
        raise Unconfirmable(
            f"{why} at service {service} of {provider}; see `settlepipe accounts {provider} --history`,"
            " nothing was changed"
        )
    if len(waiting) > 1:
        raise Unconfirmable(
            f"{len(waiting)} accounts with this number wait at service {service}; name one with --bank or --khut-type,"
            " nothing was changed"
        )
    return (waiting or is_open)[0]

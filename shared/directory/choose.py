"""choose: where several accounts of a biller service fit, a person says which one its bills are paid to.

One transaction. It holds for the service's branch until another is chosen, or the provider's list lacks it. Dying
before the commit changes nothing. After it, what is held goes by itself, as after a confirmation.
"""

from typing import Any

from shared import audit
from shared.database.engine import Connection, Database, Row
from shared.directory.confirm import Unconfirmable, words
from shared.directory.store import accounts
from shared.domain import decision
from shared.people import proposals
from shared.people.proposals import Approval, Kind, Proposal, Void
from shared.people.prove import set_up
from shared.telemetry.logs import get_logger

log = get_logger(__name__)


def choose(
    database: Database,
    provider: str,
    service: str,
    account: str,
    *,
    by: str,
    reason: str,
    bank_code: str | None = None,
    khut_type: str | None = None,
    approval: Approval | None = None,
) -> Proposal | None:
    """Pay the service's bills to this account, which is confirmed with that. A proposal, and nothing else, once people
    are set up, until another one agrees (`approval`).

    Raises Unconfirmable, ValueError for a bad name or reason; with an approval what `proposals.agreed` does, and Void.
    """
    by, reason = decision.by(by, "name of who chooses"), decision.reason(reason)
    with database.transaction() as connection:
        agreement = None if approval is None else proposals.agreed(connection, approval)
        row = one(connection, provider, service, account, bank_code=bank_code, khut_type=khut_type)
        seen = {"row": row["id"], **accounts.branch(connection, provider, service, row["khut_type"])}
        if agreement is not None and row["id"] != agreement.seen["row"]:
            raise Void("another account has this number now")
        if agreement is not None and seen != agreement.seen:
            raise Void("another account is chosen now, or other ones are open")
        if agreement is None and set_up(connection):
            asked = words(provider, service, account, bank_code=bank_code, khut_type=khut_type)
            given: dict[str, Any] = {"asked": asked, "seen": seen, "reason": reason, "by": by}
            return proposals.propose(connection, Kind.CHOOSE, f"{provider}/{service}", **given)
        accounts.choose(connection, row["id"], by)
        content = {"account": account, "row": row["id"], **{name: row[name] for name in ("bank_code", "khut_type")}}
        audit.write(connection, "account.chosen", f"{provider}/{service}", by=by, reason=reason, content=content)
        proposals.done(connection, agreement, approval)
    log.info("an account was chosen", provider=provider, biller_service=service, row=row["id"])
    return None


def one(
    connection: Connection, provider: str, service: str, account: str, *, bank_code: str | None, khut_type: str | None
) -> Row:
    """The one open account with this number, locked. Raises Unconfirmable."""
    found = accounts.find(connection, provider, service, account, bank_code=bank_code, khut_type=khut_type)
    is_open = [row for row in found if row["closed_at"] is None]
    if len(is_open) == 1:
        return is_open[0]
    why = "there is no open account with this number" if not is_open else f"{len(is_open)} accounts have this number"
    raise Unconfirmable(
        f"{why} at service {service} of {provider}; see `settlepipe accounts {provider}`, and name one with --bank or"
        " --khut-type where there are several; nothing was changed"
    )

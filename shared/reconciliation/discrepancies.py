"""discrepancies: the living list of what is open, carried on by each run, and closed by the books or by a person."""

from shared import audit
from shared import discrepancies as store
from shared.database.engine import Database
from shared.domain import decision
from shared.domain.discrepancies import Reconciliation
from shared.payments.look import Unresolvable
from shared.reconciliation import views
from shared.reconciliation.store import reports
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, get_logger

log = get_logger(__name__)


def update(runtime: Runtime, run: Reconciliation) -> int:
    """Open, keep or close discrepancies by what a compared run found; how many it was the first to find and left open.

    The same finding on two nights is one row: last_seen is when the books were last read with it. What this run looked
    at and did not find again is closed, by the reason that is so, or continues as another. What a person closed stays
    closed unless its figures change. People are alerted to each once. Comes after `evidence.use`. One transaction;
    done once for a comparison, whatever happened since; safe to repeat with the same result.
    """
    with runtime.database.transaction() as connection:
        if store.carry_on(connection, run, runtime.registrations[run.provider].zone):
            reports.keep_hours(connection, run)
    with runtime.database.connection() as connection:
        if count := store.unalerted(connection, run.id):
            text = "the provider's books differ from ours; see `settlepipe discrepancies`"
            alert(Alert.NEW_DISCREPANCIES, text, provider=run.provider, count=count)
            store.alerted(connection, run.id)
        return store.fresh(connection, run.id)


def close(database: Database, number: int, *, reason: str, by: str) -> None:
    """A person explains a discrepancy and closes it; kept for ever. Raises Unresolvable, ValueError."""
    reason, by = decision.reason(reason), decision.by(by)
    if by == store.BOOKS:
        raise ValueError(f"the name of who decides must be a person's, not {store.BOOKS}")
    with database.transaction() as connection:
        if store.close(connection, number, reason, by):
            audit.write(connection, "discrepancy.closed", str(number), by=by, reason=reason)
            log.info("discrepancy closed", discrepancy=number)
            return
        found = views.one(connection, number)
    if found is None:
        raise Unresolvable(f"there is no discrepancy {number}; see `settlepipe discrepancies`")
    raise Unresolvable(f"discrepancy {number} was closed before, by {found['resolved_by']}; nothing was changed")

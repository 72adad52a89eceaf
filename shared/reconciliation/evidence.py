"""evidence: what the books show as applied settles payments that nobody knew about."""

from shared.domain.discrepancies import Reconciliation
from shared.reconciliation.store import evidence as store
from shared.runtime import Runtime
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

_BATCH = 50  # payments in one commit: others wait no longer for one of them


def use(runtime: Runtime, run: Reconciliation) -> int:
    """Payments that were not final when compared and have exactly one line with their reference and amount succeed,
    with a check as the evidence and the usual event; how many. Books never prove that something was not applied.

    Safe to repeat, with the same result: what is final is left alone.
    """
    with runtime.database.connection() as connection:
        shown = store.shown(connection, run)
    for start in range(0, len(shown), _BATCH):
        with runtime.database.transaction() as connection:
            store.applied(connection, run, shown[start : start + _BATCH])
    with runtime.database.connection() as connection:
        if shown:
            connection.execute("SELECT analyze_checks()")  # what was just written is looked for next
        count = store.used(connection, run)
    log.info("what the books show as applied has succeeded", provider=run.provider, payments=count)
    return count

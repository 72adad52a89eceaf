"""retire: finished payments older than the setting leave the hot tables, in small batches. Run once a day.

Each batch is one short transaction that waits for nobody. Dying anywhere leaves each payment whole in one place; any
number may run at once.
"""

from shared.archive.store import retire as store
from shared.runtime import Runtime
from shared.telemetry.logs import get_logger

log = get_logger(__name__)


def retire(runtime: Runtime, limit: int) -> int:
    """Move up to `limit` batches to the archive, the oldest payments first; how many payments that was.

    A batch that moves nothing doesn't count; what was left is found by the next run.
    """
    settings = runtime.settings.retention
    moved, batches, given_up = 0, 0, 0
    after: int | None = 0
    while after is not None and batches < limit:
        with runtime.database.connection() as connection:
            page = store.page(connection, after, settings.batch, settings.keep_days)
        gone = 0
        try:
            if page.heads:
                with runtime.database.transaction() as connection:
                    gone = store.retire(connection, page.heads, settings.keep_days)
        except store.CHANGING:
            given_up += 1
        moved, batches, after = moved + gone, batches + (gone > 0), page.last
    log.info("finished payments moved to the archive", payments=moved, batches=batches, given_up=given_up)
    return moved

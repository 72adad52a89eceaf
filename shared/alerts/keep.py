"""keep: what stands is kept until it ends, raised once and cleared once, however many processes judge."""

from collections.abc import Mapping

from shared.alerts.judge import About, Figures
from shared.alerts.store import keep as kept
from shared.database import store
from shared.database.engine import Database, Row
from shared.database.store import Seen
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, get_logger

log = get_logger(__name__)


def stood(database: Database) -> Row:
    """What stands before somebody looks, for `keep`. Raises what the database raises."""
    with database.connection() as connection:
        return kept.stood(connection)


def keep(database: Database, seen: Seen, found: Mapping[About, Figures], keep_days: int, before: Row) -> None:
    """Make the table what was found; log what was raised (as an alert) and what was cleared. While the store is held
    all stays as it is, and that it is held stands beside it: whoever held it has logged that. While another process
    writes, nothing is written, nor logged; nor where one has raised or cleared something since `before`, which was read
    before anything was counted: it may have counted later. keep_days: for which cleared ones stay. Raises what the
    database raises.

    Dying between the commit and the log: it stands in the table and is in no log.
    """
    with database.transaction() as connection:
        if not kept.try_lock(connection):
            return
        if not store.is_open(connection, seen):
            if store.look(connection).held_at is not None:
                kept.add(connection, {(Alert.STORE_HELD, ""): {}})
            return
        if kept.stood(connection) != before:
            return
        changes = kept.write(connection, found)
        kept.forget(connection, keep_days)
    for row in changes.raised:
        which = Alert[row["name"].upper()]
        alert(which, which.meaning, subject=row["subject"], **row["figures"])
    for row in changes.cleared:
        log.info("an alert is cleared", cleared=row["name"], subject=row["subject"], stood_s=round(row["stood_s"]))

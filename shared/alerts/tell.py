"""tell: what stands still, and its end, is sent to people: by each way that is set, at least once.

Taken for a lease, committed, sent, noted. Dying, or losing the database, between the sending and the note: whoever
comes next sends it again.
"""

from shared.alerts.store import tell as store
from shared.alerts.store.tell import Batch
from shared.alerts.ways import Untold, Way
from shared.database import store as whole
from shared.database.engine import Database
from shared.database.store import Seen
from shared.settings.alerting import AlertSettings
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

_FIRST_WAIT_S = 5.0
_MARGIN_S = 30.0  # a lease is what a sending may take, and this


def tell(database: Database, seen: Seen, way: Way, settings: AlertSettings) -> int:
    """Send what is due by this way, once; how many were told. While the store is held, only that it is.

    Raises what the database raises; nothing for what the receiver does.
    """
    with database.transaction() as connection:
        only = None
        if not whole.is_open(connection, seen):
            if whole.look(connection).held_at is None:
                return 0
            only = Alert.STORE_HELD.value
        lease_s = way.limit_s + _MARGIN_S
        batch = store.take(
            connection, way.name, repeat_s=way.repeat_s, again_s=settings.again_s, lease_s=lease_s, only=only
        )
    if batch is None:
        return 0
    try:
        way.send([one.word for one in batch.taken], batch.now)
    except Untold as error:
        _failed(database, way, batch, str(error), settings)
        return 0
    with database.transaction() as connection:
        store.told(connection, way.name, batch.taken)
    return len(batch.taken)


def _failed(database: Database, way: Way, batch: Batch, reason: str, settings: AlertSettings) -> None:
    cap_s = min(settings.send_cap_s, way.cap_s)
    waits_s = [wait_s(one.tries, cap_s) for one in batch.taken]
    with database.transaction() as connection:
        over = store.failed(
            connection, way.name, batch.taken, waits_s=waits_s, failure=reason, give_up_s=settings.give_up_s
        )
        if over:
            store.told(connection, way.name, over, reason)
    log.warning("alerts could not be sent; they are tried again", way=way.name, reason=reason, count=len(batch.taken))
    for one in over:
        about = {"given_up": one.word.name, "subject": one.word.subject}
        log.error("an alert could not be sent for too long and is given up", way=way.name, reason=reason, **about)


def wait_s(tries: int, cap_s: float) -> float:
    """Seconds until the next try after so many that failed: 5, 10, 20, … up to the cap."""
    return min(cap_s, _FIRST_WAIT_S * 2.0 ** min(tries - 1, 32))

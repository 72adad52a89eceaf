"""brake: a person pauses a lane, or lets it go on. One transaction, with its audit record."""

from shared import audit, lanes
from shared.database.engine import Database
from shared.domain import decision
from shared.telemetry.logs import get_logger

log = get_logger(__name__)


def pause(database: Database, provider: str, *, by: str, reason: str | None = None) -> bool:
    """Stop sending to a provider until the lane is resumed; False when it has no lane. Raises ValueError for a bad name
    or reason."""
    by, reason = _words(by, reason)
    with database.transaction() as connection:
        if not lanes.pause(connection, provider, by):
            return False
        audit.write(connection, "lane.paused", provider, by=by, reason=reason)
    log.warning("a lane was paused", provider=provider)
    return True


def resume(database: Database, provider: str, *, by: str, reason: str | None = None) -> bool:
    """Lift a pause; one that is halted or open tries one payment at once. Otherwise as `pause`."""
    by, reason = _words(by, reason)
    with database.transaction() as connection:
        if not lanes.resume(connection, provider):
            return False
        audit.write(connection, "lane.resumed", provider, by=by, reason=reason)
    log.warning("a lane was resumed", provider=provider)
    return True


def _words(by: str, reason: str | None) -> tuple[str, str | None]:
    return decision.by(by), None if reason is None else decision.reason(reason)

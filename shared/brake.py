"""brake: a person pauses a lane, or lets it go on. One transaction, with its audit record."""

from shared import audit, lanes
from shared.database.engine import Database
from shared.domain import decision
from shared.telemetry.logs import get_logger

log = get_logger(__name__)


class StandsOtherwise(Exception):  # noqa: N818 - says what is so
    """The lane does not stand still for what was shown. Nothing was changed."""


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


def resume(database: Database, provider: str, *, by: str, reason: str | None = None, shown: str | None = None) -> bool:
    """Lift a pause; one that is halted or open tries one payment at once. Otherwise as `pause`.

    shown: the `mark` of the lane as this person saw it. Raises StandsOtherwise where it is another one now.
    """
    by, reason = _words(by, reason)
    with database.transaction() as connection:
        row = None if shown is None else lanes.locked(connection, provider)
        if row is not None and lanes.mark(row) != shown:
            state, _, why = lanes.told(row)
            raise StandsOtherwise(
                f"the lane is {state} now{f', {why}' if why else ''}; nothing was changed, look again"
            )
        if not lanes.resume(connection, provider):
            return False
        audit.write(connection, "lane.resumed", provider, by=by, reason=reason)
    log.warning("a lane was resumed", provider=provider)
    return True


def _words(by: str, reason: str | None) -> tuple[str, str | None]:
    return decision.by(by), None if reason is None else decision.reason(reason)

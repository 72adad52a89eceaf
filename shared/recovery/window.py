"""window: after a lost time, what was open then may have been sent, and what followed may have been asked for."""

from datetime import datetime

from shared.database.engine import Connection
from shared.follow_ups import lane as follow_ups
from shared.payments.store import lost_time
from shared.payments.store.lost_time import Window
from shared.runtime import Runtime


def open_window(
    runtime: Runtime, connection: Connection, since: datetime, *, by: str | None, reason: str, unbroken: bool
) -> Window:
    """Open a window. by: None where no person asked for it. unbroken: the events stream told all since then."""
    settings = runtime.settings
    opened = lost_time.open_window(
        connection,
        since,
        # How long after the last claim a request may still be on the wire: an HTTP deadline and a lease.
        sending_s=settings.http.total_timeout_s + settings.lease_s,
        window_s=settings.recovery.window_s,
        by=by,
        reason=reason,
        unbroken=unbroken,
    )
    follow_ups.end_in_lost_time(connection)
    return opened

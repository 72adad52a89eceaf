"""What the periodic jobs do. Each returns one sentence for `settlepipe jobs`, and may be run again at any time."""

import random
from collections.abc import Callable

from shared.flow import delivery, release, retire
from shared.flow.runtime import Runtime
from shared.flow.send import alert_halt
from shared.providers.base import LoginRefused
from shared.store import jobs as job_runs
from shared.store import lanes
from shared.telemetry.logs import alert

_MAX_REPORTS = 500  # asked for in one run, the newest first
_MAX_BATCHES = 1000  # moved in one run; the next one goes on


def renew(provider: str, ahead_s: float) -> Callable[[Runtime], str]:
    """See that the fleet's token does not end soon. Raises LoginRefused (the lane is halted), LoginUnavailable."""

    def do(runtime: Runtime) -> str:
        fetch = runtime.connected[provider].renew
        if fetch is None:
            return "it needs no token"
        try:
            # Spread, so that nobody logs in at the same moment for ever.
            return "renewed" if fetch(ahead_s * random.uniform(0.75, 1)) else "good for now"  # noqa: S311
        except LoginRefused as error:
            with runtime.database.connection() as connection:
                lanes.halt(connection, provider, str(error))
            alert_halt(provider, str(error))
            raise

    return do


def sms_balance(runtime: Runtime) -> str:
    """How many text messages are left; an alert when that is few. Raises LookupFailed."""
    left = runtime.connected["ubill"].lookups["sms_balance"].call()["sms"]
    few = runtime.settings.ubill.sms_low
    if isinstance(left, int) and left < few:
        alert("sms_balance_low", "few text messages are left; buy more at ubill", left=left, below=few)
    return f"{left} text messages left"


def sms_reports(runtime: Runtime) -> str:
    """Ask for the delivery reports that no callback brought."""
    return f"{delivery.poll_reports(runtime, _MAX_REPORTS)} reports read"


def retention(runtime: Runtime) -> str:
    """Move old finished payments to the archive, and forget old runs of jobs."""
    moved = retire.retire(runtime, _MAX_BATCHES)
    with runtime.database.connection() as connection:
        forgotten = job_runs.prune(connection, runtime.settings.retention.keep_days)
    return f"{moved} payments moved to the archive, {forgotten} runs of jobs forgotten"


def refresh(provider: str, kind: str) -> Callable[[Runtime], str]:
    """Fetch one of a provider's lists, whole or not at all. Raises RefreshFailed."""

    def do(runtime: Runtime) -> str:
        opened, closed = release.refresh(runtime, provider, kind)
        return f"{opened} new or changed, {closed} closed"

    return do

"""What the periodic jobs do. Each returns one sentence for `settlepipe jobs`, and may be run again at any time."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from scheduler import job_runs
from shared.archive import retire
from shared.database import clock
from shared.directory import refresh as directory
from shared.domain.words import counted
from shared.follow_ups import delivery
from shared.payments import quarantine, views
from shared.payments.send import halt
from shared.providers.base import BooksUnread, LoginRefused, LoginUnavailable
from shared.reconciliation import forget
from shared.reconciliation.turn import Busy
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, get_logger

log = get_logger(__name__)

_MAX_REPORTS = 500  # asked for in one run, the newest first
_MAX_BATCHES = 1000  # moved in one run; the next one goes on
_NEAR_END_S = 600.0  # a token that ends within this is no reason to go on
_READ_ON = timedelta(days=1)  # so long a night's books that could not be read whole are tried again


def renew(provider: str, ahead_s: float) -> Callable[[Runtime, datetime], str]:
    """See that the fleet's token does not end soon. Raises LoginRefused, LoginUnavailable.

    A refused log-in is told; the lane is halted when the token at hand is near its end. Until then payments go through
    with it, and a probe with a good token would only set the lane going again.
    """

    def do(runtime: Runtime, _slot: datetime) -> str:
        fetch = runtime.connected[provider].renew
        if fetch is None:
            return "it needs no token"
        try:
            # Spread, so that nobody logs in at the same moment for ever.
            return "renewed" if fetch(ahead_s * random.uniform(0.75, 1)) else "good for now"  # noqa: S311
        except LoginRefused as error:
            if _ends_soon(fetch):
                halt(runtime, provider, str(error))
            else:
                text = "the log-in was refused; payments go on with the token at hand until that ends: see to it now"
                alert(Alert.LOGIN_REFUSED, text, provider=provider, reason=str(error))
            raise

    return do


def _ends_soon(fetch: Callable[[float | None], bool]) -> bool:
    """Is there no token that is good for a while? Asks the kept one; the log-in, which is tried then, is refused."""
    try:
        return bool(fetch(_NEAR_END_S))
    except (LoginRefused, LoginUnavailable):
        return True


def sms_balance(runtime: Runtime, _slot: datetime) -> str:
    """How many text messages are left; an alert when that is few. Raises LookupFailed."""
    left = runtime.connected["ubill"].lookups["sms_balance"].call()["sms"]
    few = runtime.settings.ubill.sms_low
    if isinstance(left, int) and left < few:
        alert(Alert.SMS_BALANCE_LOW, "few text messages are left; buy more at ubill", left=left, below=few)
    return f"{counted(left, 'text message')} left"


def sms_reports(runtime: Runtime, _slot: datetime) -> str:
    """Ask for the delivery reports that no callback brought."""
    return f"{counted(delivery.poll_reports(runtime, _MAX_REPORTS), 'report')} read"


def retention(runtime: Runtime, _slot: datetime) -> str:
    """Move old finished payments to the archive; forget old runs of jobs, quarantined entries and delivery reports."""
    moved = retire.retire(runtime, _MAX_BATCHES)
    keep = runtime.settings.retention
    with runtime.database.connection() as connection:
        forgotten = job_runs.prune(connection, keep.keep_days)
        entries = _in_batches(lambda: quarantine.forget(connection, keep.quarantine_days, keep.batch), keep.batch)
        reports = _in_batches(lambda: delivery.forget(connection, keep.keep_days, keep.batch), keep.batch)
    return (
        f"{counted(moved, 'payment')} moved to the archive; forgotten: {counted(forgotten, 'run')} of jobs,"
        f" {counted(entries, 'entry', 'entries')} in quarantine, {counted(reports, 'delivery report')}"
    )


def _in_batches(forget: Callable[[], int], batch: int) -> int:
    """Each a short statement of its own; what is left when there are very many goes with the next run."""
    count = 0
    for _ in range(_MAX_BATCHES):
        gone = forget()
        count += gone
        if gone < batch:
            break
    return count


def refresh(provider: str, kind: str) -> Callable[[Runtime, datetime], str]:
    """Fetch one of a provider's lists, whole or not at all. Raises RefreshFailed."""

    def do(runtime: Runtime, _slot: datetime) -> str:
        opened, closed = directory.refresh(runtime, provider, kind)
        return f"{opened} new or changed, {closed} closed"

    return do


def reconcile(provider: str) -> Callable[[Runtime, datetime], str]:
    """Compare the day before the slot with the provider's books.

    Raises BooksUnread while a part of them may still be read; turn.Busy.
    """

    def do(runtime: Runtime, slot: datetime) -> str:
        from shared.reconciliation import run as reconciliation  # noqa: PLC0415 - who reads the schedule makes no report

        day = slot.astimezone(ZoneInfo(runtime.registrations[provider].zone)).date() - timedelta(days=1)
        with runtime.database.connection() as connection:
            if not views.any_payment(connection, provider):
                return "there has never been a payment"
            late = clock.now(connection) > slot + _READ_ON
        outcome = reconciliation.reconcile(runtime, provider, day)
        run = outcome.run
        if not (run.complete or late):
            raise BooksUnread(f"{day}: a part of the books could not be read: {run.missing}")
        part = "" if run.complete else f"; a part of the books could not be read: {run.missing}"
        part += f"; {run.odd_rows}" if run.odd_rows else ""
        lines, fresh = counted(run.lines, "line"), counted(outcome.fresh, "new discrepancy", "new discrepancies")
        return f"{day}: {lines}, {fresh}, {outcome.open} open{part}"

    return do


def forget_lines(runtime: Runtime, _slot: datetime) -> str:
    """Delete what was compared long ago. A provider that is being compared has its turn later."""
    count = 0
    for provider in runtime.lanes:
        try:
            count += forget.forget_lines(runtime, provider)
        except Busy:
            log.info("its books are being compared; its old lines go tomorrow", provider=provider)
    return f"{counted(count, 'row')} deleted"

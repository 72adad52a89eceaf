"""delivery: what becomes of sent text messages, from the provider's callbacks or asked for.

A report is kept before anything is made of it. Dying after that loses nothing: reports are repeated, and polled.
"""

from datetime import datetime

from shared.database.engine import Database
from shared.domain.records import DeliveryReport
from shared.follow_ups.store import delivery as store
from shared.providers.base import LookupFailed
from shared.runtime import Runtime
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

POLL_YOUNGER_S = 7 * 86_400.0  # what has no final report after a week never gets one
_GIVE_UP_AFTER = 3  # reports in a row that could not be read: the provider is not asked for more


def report(database: Database, sms_id: str, number: str, status: int, reported_at: datetime) -> None:
    """Keep one report and tell upstream when it is final. Safe to repeat, in any order, also before the answer to the
    sending is recorded. Raises what the database raises.

    status: see DeliveryReport. reported_at: aware, by the provider's clock.
    """
    with database.connection() as connection:
        store.keep(connection, sms_id, [DeliveryReport(number, status)], reported_at)
    tell(database, sms_id)


def tell(database: Database, sms_id: str) -> None:
    """Tell upstream of a message whose report is final, if that has not been told."""
    with database.connection() as connection:
        if store.tell(connection, sms_id):
            log.info("a delivery was told", sms_id=sms_id)


forget = store.forget


def poll_reports(runtime: Runtime, limit: int) -> int:
    """Ask for the reports of the newest `limit` sent messages that have no final one; how many were read."""
    provider = next((connected for connected in runtime.connected.values() if connected.reports is not None), None)
    if provider is None or provider.reports is None:
        return 0
    with runtime.database.connection() as connection:
        wanted = store.unreported(connection, limit, POLL_YOUNGER_S)
    read = failed = 0
    for sms_id in wanted:
        try:
            reports = provider.reports(sms_id)
        except LookupFailed as error:
            log.warning("a report of delivery could not be read", sms_id=sms_id, reason=str(error))
            failed += 1
            if failed == _GIVE_UP_AFTER:
                break
            continue
        read, failed = read + 1, 0
        with runtime.database.connection() as connection:
            store.keep(connection, sms_id, reports, None)
        tell(runtime.database, sms_id)
    return read

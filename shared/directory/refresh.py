"""refresh: fetch a provider's lists, all of one or nothing of it. Dying before the commit leaves the list as it was."""

from shared.database.engine import Connection
from shared.database.rows import provider_of
from shared.directory.store import lists
from shared.providers.base import RefreshFailed
from shared.runtime import Runtime
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

REFRESH_LEASE_S = 120.0  # one refresh of a list at a time; a dead one is started again after this
REFRESH_AGAIN_S = 10.0  # after a failure
REFRESH_OLDER_S = 3600.0  # an account that is missing from a list older than this may be on a new one


def lease(connection: Connection, provider: str, kind: str) -> bool:
    """May this caller have the list fetched? True for one of them, where it was never fetched or not lately."""
    return lists.lease_refresh(connection, provider, kind, REFRESH_LEASE_S, REFRESH_OLDER_S)


def refresh(runtime: Runtime, provider: str, kind: str) -> tuple[int, int]:
    """Fetch one of the provider's lists, all of it or nothing; (opened, closed) rows.

    Raises what the adapter raises when the list could not be read whole, and RefreshFailed when an empty list comes
    in place of one with rows: the kept list stays as it was. Changes of bank accounts are told (event, warning).
    """
    with runtime.database.connection() as connection:
        before = lists.fetched_at(connection, provider, kind)
    rows = list(runtime.connected[provider].refreshes[kind]())
    with runtime.database.transaction() as connection:
        if lists.lock(connection, provider, kind) != before:
            # Which of the two lists is the newer one can't be told.
            raise RefreshFailed(f"{provider} {kind}: it was refreshed by somebody else at the same time; try again")
        if not rows and not lists.is_empty(connection, provider, kind):
            raise RefreshFailed(f"{provider} {kind}: an empty list is not believed where there were rows")
        opened, closed, changes = lists.replace(connection, provider, kind, rows)
    for change in changes:
        log.warning(
            "a bank account changed: compare it with the biller's own word, then `settlepipe accounts confirm`",
            provider=provider,
            biller_service=change["service"],
            change=change["change"],
            row=change["id"],
        )
    log.info("a list was refreshed", provider=provider, kind=kind, rows=len(rows), opened=opened, closed=closed)
    return opened, closed


def refresh_for(runtime: Runtime, payment_id: int) -> None:
    """Fetch every list of this payment's provider (a task's verb: it is given the id of a payment that waits)."""
    with runtime.database.connection() as connection:
        provider = provider_of(connection, payment_id)
    if provider is None:
        return
    for kind in runtime.connected[provider].refreshes:
        try:
            refresh(runtime, provider, kind)
        except RefreshFailed as error:
            log.warning("a list could not be refreshed; the kept one stays", kind=kind, reason=str(error))
            with runtime.database.connection() as connection:
                lists.lease_again(connection, provider, kind, REFRESH_AGAIN_S)

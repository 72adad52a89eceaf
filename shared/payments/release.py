"""release: look at what is held and let go what no longer has to wait. Run by the dispatcher between its looks."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import psycopg

from shared.database.engine import AWAY, Connection
from shared.directory import refresh
from shared.domain.codes import Code
from shared.domain.payment import HoldReason, Payment, State
from shared.domain.request import Built, Hold, Refusal, Request
from shared.follow_ups import lane as follow_ups
from shared.payments.prepare import prepare, unsupported, with_settle
from shared.payments.refund_sum import refund_fits
from shared.payments.store import accept as accept_store
from shared.payments.store import lost_time
from shared.payments.store import release as store
from shared.payments.store.release import HeldRefund
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, get_logger

log = get_logger(__name__)

_LOCK_WAIT_S = 2.0  # for somebody's lock, while those of a whole page are held
_MOST_WAITS = 1  # in one transaction
_UNTOLD = "waits until the intent of its settle, which the database lost, comes again"
_NOT_BUILT = "its request could not be built: a mistake in the adapter"


class Page(NamedTuple):
    """A page of held payments: how many were looked at, and the last one's id where there may be more behind it."""

    looked_at: int
    last: int | None


def release_refunds(runtime: Runtime) -> int:
    """Decide the held refunds whose settle is final, or never came; how many were looked at."""
    count, after = 0, 0
    while True:
        page = release_some_refunds(runtime, after)
        count += page.looked_at
        if page.last is None:
            return count
        after = page.last


def release_some_refunds(runtime: Runtime, after: int) -> Page:
    """The same for a page of those behind id `after`.

    A refund that can't be decided (its request can't be built, its settle is locked for long, its statement fails)
    stays as it is and keeps no other one from its turn.
    """
    with runtime.database.transaction() as connection:
        held = store.refunds(connection, runtime.settings.refund_wait_s, after)
        steps = [(refund.refund, partial(_decide, runtime, connection, refund)) for refund in held]
        done = _each(connection, steps)
    more = done < len(held) or done == store.PAGE
    return Page(done, held[done - 1].refund.id if more else None)


def _each(connection: Connection, steps: Sequence[tuple[Payment, Callable[[], None]]]) -> int:
    """Take each step in a savepoint of its own; how many were taken. Raises what says that PostgreSQL is away."""
    store.wait_for_locks(connection, _LOCK_WAIT_S)
    waited = 0
    for place, (payment, step) in enumerate(steps):
        if waited == _MOST_WAITS:  # others wait for what this transaction holds
            return place
        try:
            with connection.transaction():
                step()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
            waited += 1
            log.debug("a held payment is passed over: somebody holds a lock that it needs", payment_id=payment.id)
        except AWAY:
            raise
        except Exception as error:
            log.error("a held payment could not be looked at: a defect", payment_id=payment.id, exc_info=error)
    return len(steps)


def _decide(runtime: Runtime, connection: Connection, held: HeldRefund) -> None:
    refund = held.refund
    if held.settle_id is None:
        waited_h = runtime.settings.refund_wait_s / 3600
        accept_store.refuse(
            connection, [(refund.id, f"no settle {refund.refund_of} came within {waited_h:g} h", Code.SETTLE_NOT_FOUND)]
        )
        return
    if held.settle_state in (State.REFUSED, State.CANCELLED):
        said = f"its settle {refund.refund_of} was {held.settle_state}"
        accept_store.refuse(connection, [(refund.id, said, Code.SETTLE_NOT_PAID)])
        return
    found = store.settle(connection, held.settle_id)
    # One that may have been made in a lost time is a person's: what others hold by now proves nothing about it.
    settle, refunded_minor = found.payment, 0 if refund.in_doubt else found.refunded_minor
    if found.untold:
        _rehold(connection, refund, Hold(HoldReason.SETTLE_PENDING, _UNTOLD))
        return
    misfit = unsupported(runtime, refund) or refund_fits(settle, refund, refunded_minor)
    if misfit is None:
        built = _build(runtime, with_settle(refund, settle, refunded_minor), HoldReason.SETTLE_PENDING)
        if isinstance(built, Request):
            window_s = runtime.settings.provider(refund.provider).settle_window_s
            store.release(connection, refund.id, built, held.settle_id, window_s)
            lost_time.doubt_refund(connection, refund.id, held.settle_id)
            return
        if isinstance(built, Hold):
            _rehold(connection, refund, built)
            return
        misfit = built
    accept_store.refuse(connection, [(refund.id, misfit.detail, misfit.code)])


def _build(runtime: Runtime, payment: Payment, otherwise: HoldReason) -> Built:
    """Like prepare; a mistake in an adapter holds its payment and nothing else."""
    try:
        return prepare(runtime, payment)
    except AWAY:
        raise
    except Exception:
        return Hold(otherwise, _NOT_BUILT)


def _rehold(connection: Connection, payment: Payment, hold: Hold) -> None:
    changed = store.rehold(connection, payment.id, HoldReason(hold.reason), hold.detail)
    if changed and hold.detail == _NOT_BUILT:  # told once, though it is tried again and again
        alert(Alert.BUILD_FAILED, "a held payment's request could not be built", provider=payment.provider)


def release_directory_holds(runtime: Runtime, provider: str) -> None:
    """Build again what waits for the provider's lists; called when a list has changed."""
    after = 0
    while True:
        with runtime.database.transaction() as connection:
            held = store.directory_holds(connection, provider, after)
            done = _each(connection, [(payment, partial(_release, runtime, connection, payment)) for payment in held])
        if not held:
            return
        after = held[done - 1].id


def _release(runtime: Runtime, connection: Connection, payment: Payment) -> None:
    match _build(runtime, payment, HoldReason.NO_ACCOUNT):
        case Request() as request:
            store.release(connection, payment.id, request)
        case Hold() as hold:
            _rehold(connection, payment, hold)
        case Refusal() as refusal:
            accept_store.refuse(connection, [(payment.id, refusal.detail, refusal.code)])


def refresh_wanted(runtime: Runtime, provider: str) -> list[int]:
    """Ids of payments that wait for a list that was never fetched, or not lately; leased to this caller.

    Empty when nothing waits or somebody is at it.
    """
    with runtime.database.transaction() as connection:
        waiting = [payment.id for payment in store.directory_holds(connection, provider, after=0, limit=1)]
        waiting += follow_ups.waiting(connection, provider)
        wanted = [
            kind
            for kind in runtime.connected[provider].refreshes
            if waiting and refresh.lease(connection, provider, kind)
        ]
    return waiting[:1] if wanted else []


def free_invoices(runtime: Runtime) -> None:
    """Let go what was held at the very moment at which its invoice became free (see the statement)."""
    with runtime.database.connection() as connection:
        store.free_invoices(connection)

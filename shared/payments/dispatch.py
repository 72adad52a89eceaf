"""dispatch: for one lane, take back lost leases, park what is overdue, claim what is due, publish the ids.

The lane's row is locked meanwhile, so limits, rate and circuit breaker hold for the whole fleet. Dying before the
commit changes nothing; dying after it, or losing the messages, costs one lease: the payments are dispatched again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared import lanes
from shared.database import store as whole
from shared.database.engine import Connection
from shared.follow_ups import lane as follow_ups
from shared.lanes import Lane
from shared.messaging import tasks
from shared.payments.store import ahead
from shared.payments.store import dispatch as store
from shared.payments.store.ahead import Longest
from shared.payments.store.dispatch import Dispatched
from shared.providers.raw_answers import MAX_RETRY_AFTER_S
from shared.runtime import Runtime
from shared.settings.sections import ProviderSettings
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, get_logger

log = get_logger(__name__)

Batches = list[tuple[str, Sequence[tasks.Name]]]


@dataclass(frozen=True, slots=True)
class Looked:
    """One look at one lane. messages: to be published on its queue, already committed as dispatched. short: more may be
    due, and there was no room for it; who makes room rings. elsewhere: another dispatcher looks at it just now."""

    messages: Batches = field(default_factory=list)
    short: bool = False
    elsewhere: bool = False


def dispatch(runtime: Runtime, provider: str, queue_length: Callable[[], int], *, tidy: bool = True) -> Looked:
    """Look at a lane.

    queue_length: asked only when there is room; nothing is claimed for a queue that is longer than IN_FLIGHT.
    tidy: also take back lost leases and park what is overdue. That reads all that is due, so with a deep backlog it
    costs more than all else in a look.
    """
    section = runtime.settings.provider(provider)
    with runtime.database.transaction() as connection:
        if not whole.is_open(connection, runtime.seen):
            return Looked()
        lane = lanes.lock(connection, provider, section.rate_per_s)
        if lane is None:
            return Looked(elsewhere=True)
        if lane.resumed:
            store.take_back(connection, provider, _longest_lease_s(runtime))
        if tidy:
            _housekeeping(runtime, connection, provider)
        unclaimed = store.unclaimed(connection, provider)
        room = _room(lane, section, unclaimed)
        if section.on_the_wire is not None and lane.running:  # a probe is one alone
            room = min(room, section.on_the_wire - store.on_the_wire(connection, provider, _longest_lease_s(runtime)))
        if room <= 0 or queue_length() > section.in_flight:
            return Looked(short=True)
        due = _due(runtime, connection, lane, room)
        _account(runtime, connection, lane, section, due)
        following = _following(runtime, connection, lane, room, due)
    messages = _messages(due, following, section.concurrency - unclaimed)
    return Looked(messages, short=max(len(due), len(following)) >= room)


def give_back(runtime: Runtime, payments: Sequence[tuple[int, str | None]], messages: Sequence[int]) -> tuple[int, int]:
    """What a message named (id, reference) and nobody will claim from it is due at once: how many payments, to be sent
    or checked, and follow-ups that was. Safe to repeat: what is claimed, or locked by who claims it, stays as it is.
    Raises one of AWAY."""
    with runtime.database.connection() as connection:
        back = store.give_back(connection, payments) if payments else 0
        return back, follow_ups.give_back(connection, messages) if messages else 0


def _housekeeping(runtime: Runtime, connection: Connection, provider: str) -> None:
    retry, check = runtime.settings.retry, runtime.settings.check
    back = ahead.mend(connection, provider, _longest(runtime, provider))
    if back:
        alert(Alert.CLOCK_RAN_AHEAD, "the database's clock ran ahead; what waits for it goes on", provider=provider)
    for row in store.recover(connection, provider, retry.base_s, check.ladder_s[0]):
        log.warning("a lease ran out", payment_id=row["id"], state=row["state"])
    for payment_id in store.park_overdue(connection, provider):
        log.warning("parked past its deadline", payment_id=payment_id)
    for follow_up_id, state in follow_ups.end_lost(connection, provider):
        log.warning("a follow-up's lease ran out", follow_up_id=follow_up_id, state=state)


def _longest_lease_s(runtime: Runtime) -> float:
    """Twice ours: another process may have had other settings."""
    return 2 * max(runtime.limits.check_lease_s, runtime.settings.dispatch_lease_s)


def _longest(runtime: Runtime, provider: str) -> Longest:
    settings, window_s = runtime.settings, runtime.settings.provider(provider).settle_window_s
    waits = (settings.retry.cap_s, MAX_RETRY_AFTER_S, *settings.check.ladder_s, settings.lease_s, window_s)
    most_s = max(*waits, settings.lease_s + window_s, settings.dispatch_lease_s)
    return Longest(most_s, settings.lease_s, window_s, settings.breaker.open_s, lanes.PROBE_EVERY_S)


def _room(lane: Lane, section: ProviderSettings, unclaimed: int) -> int:
    """How many payments may be claimed now. While half of IN_FLIGHT is still unclaimed the senders have enough to
    do, and waiting for more room is what makes messages of many ids."""
    if not lane.running:
        return 1 if lane.may_probe else 0
    if unclaimed * 2 > section.in_flight:
        return 0
    return int(min(section.in_flight - unclaimed, lane.rate_tokens))


def _due(runtime: Runtime, connection: Connection, lane: Lane, room: int) -> Sequence[Dispatched]:
    """What goes out now. While sends are refused, what is in doubt is looked at first: a look that could be made frees
    the next probe at once, and a send that is refused takes a minute."""
    lease_s = runtime.settings.dispatch_lease_s
    checks = store.claim_due(connection, lane.provider, room, lease_s, checks_only=True) if lane.halted_by_send else []
    return checks or store.claim_due(connection, lane.provider, room, lease_s)


def _account(
    runtime: Runtime, connection: Connection, lane: Lane, section: ProviderSettings, due: Sequence[Dispatched]
) -> None:
    if section.rate_per_s is not None:
        lanes.spend(connection, lane, len(due))
    if due and not lane.running:
        log.info("a stopped lane probes", provider=lane.provider, payment_id=due[0].id)
        lanes.probe(connection, lane.provider, runtime.settings.breaker.open_s, payment=due[0].id)


def _following(
    runtime: Runtime, connection: Connection, lane: Lane, room: int, due: Sequence[Dispatched]
) -> Sequence[int]:
    """Follow-ups that are due. What a stopped lane lets through is a payment; one follow-up where none is due, or
    nothing would ever show that it can run again."""
    if due and not lane.running:
        return []
    found = follow_ups.claim_due(connection, lane.provider, room, runtime.settings.dispatch_lease_s)
    if found and not lane.running:
        log.info("a stopped lane probes", provider=lane.provider, follow_up_id=found[0])
        lanes.probe(connection, lane.provider, runtime.settings.breaker.open_s, follow_up=found[0])
    return found


def _messages(due: Sequence[Dispatched], following: Sequence[int], idle_senders: int) -> Batches:
    sends = [(d.id, d.reference) for d in due if not d.check]
    checked = [(d.id, d.reference) for d in due if d.check]
    return (
        [(tasks.SEND, ids) for ids in tasks.split(sends, idle_senders)]
        + [(tasks.CHECK, ids) for ids in tasks.split(checked, idle_senders)]
        + [(tasks.FOLLOW_UP, [follow_up_id]) for follow_up_id in following]
    )

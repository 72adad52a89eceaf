"""recover: a database that lost time goes on. One transaction; a person asks for it, having looked.

What upstream was told to be final is final here too. What was open then, and whatever comes while the window is open,
counts as possibly sent. Dying before the commit changes nothing: the store stays held. After it, the witnesses may
remember an older epoch than the database's: the next beat tells them.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import redis

from shared import audit
from shared.archive.recall import recall
from shared.database import store
from shared.database.engine import Connection
from shared.messaging.told import Told
from shared.payments.adopt import complete
from shared.payments.store import lost_time
from shared.people import proposals
from shared.people.proposals import Approval, Kind, Proposal, Void
from shared.recovery import stream
from shared.recovery.store import finals, places
from shared.recovery.store.finals import Found
from shared.recovery.stream import Lost, Shown
from shared.recovery.window import open_window
from shared.runtime import Runtime
from shared.telemetry.logs import get_logger
from shared.witness import Witnesses

log = get_logger(__name__)

_REASON = "the database lost time"


class NotRecovered(Exception):  # noqa: N818
    """Nothing was changed; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a recovery will do.

    since: the last moment of which the database knows everything. held: why, where it is held. finals: payments that
    upstream was told to be final and that are open here, or not here. missing: those that upstream was told to be
    accepted, and are not here. shown: what the stream shows. epoch: the store's, which ends with any recovery.
    """

    epoch: int
    since: datetime
    held: str | None
    shown: Shown = field(repr=False)
    finals: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery did. opened: how many payments count as possibly sent."""

    epoch: int
    since: datetime
    until: datetime
    finals: int
    opened: int


def plan(runtime: Runtime, client: "redis.Redis", since: datetime | None) -> Plan:
    """What a recovery would do. Reads only. Raises NotRecovered; redis.RedisError: the stream can't be read."""
    with runtime.database.connection() as connection:
        found = store.look(connection)
        if found.held_at is None and since is None:
            raise NotRecovered(
                "the store is not held, so there is nothing to recover; say --since T to do so all the same"
            )
        known_until = found.recorded.at
        since = since or known_until
        if since > known_until:
            raise NotRecovered(f"the database ends at {known_until:%Y-%m-%dT%H:%M:%SZ}, --since can't be later")
        shown = stream.shown(connection, client)
        finals_, missing = [], []
        for subject, lost in shown.lost.items():
            if lost.final is not None:
                finals_.append(subject)
            elif finals.find(connection, *_names(subject)) is None:
                missing.append(subject)
    return Plan(found.recorded.epoch, since, found.held_reason, shown, tuple(finals_), tuple(missing))


def propose(connection: Connection, plan: Plan, since: datetime | None, by: str) -> Proposal:
    """Keep it for another person to agree to. since: as it was asked for. In the caller's transaction."""
    asked = {"since": None if since is None else since.isoformat()}
    given: dict[str, Any] = {"asked": asked, "seen": seen(plan), "reason": plan.held or _REASON, "by": by}
    return proposals.propose(connection, Kind.RECOVER, "store", **given)


def seen(plan: Plan) -> dict[str, Any]:
    """What a proposal to recover rests on."""
    names = json.dumps([sorted(plan.finals), sorted(plan.missing)]).encode()
    counts = {"finals": len(plan.finals), "missing": len(plan.missing), "unbroken": plan.shown.unbroken}
    stands = {"epoch": plan.epoch, "since": plan.since.isoformat(), "held": plan.held}
    return {**stands, **counts, "names": hashlib.sha256(names).hexdigest()}


def recover(
    runtime: Runtime, witnesses: Witnesses, plan: Plan, by: str, *, approval: Approval | None = None
) -> Recovered:
    """Carry out a plan, once. approval: of the proposal that it is; raises what `agreed` does, and Void, with one.

    Raises NotRecovered where the store was recovered since it was planned.
    """
    with runtime.database.transaction() as connection:
        agreement = None if approval is None else proposals.agreed(connection, approval)
        if agreement is not None and agreement.seen != seen(plan):
            raise Void("the store, or the events stream, shows something else now")
        found = store.look(connection, lock=True)
        if found.recorded.epoch != plan.epoch:
            raise NotRecovered("the store was recovered meanwhile; nothing was changed, look again")
        remembered = [one.standing.epoch for one in witnesses.read(found.installation or "")]
        epoch = places.recovered(connection, max(remembered, default=0))
        # Settles first: a refund that came before its settle finds it here.
        for subject, lost in sorted(plan.shown.lost.items(), key=lambda one: one[1].of is not None):
            _take_over(connection, runtime, subject, lost, epoch)
        places.relayed(connection, plan.shown.last)
        window = open_window(
            runtime,
            connection,
            plan.since,
            by=by,
            reason=plan.held or _REASON,
            unbroken=plan.shown.unbroken,
        )
        places.tell(connection, epoch, plan.since)
        opened = lost_time.opened(connection)
        after = store.look(connection)
        told = {"epoch": epoch, "since": plan.since.isoformat(), "finals": len(plan.finals), "opened": opened}
        audit.write(connection, "store.recovered", "store", by=by, reason=plan.held or _REASON, content=told)
        proposals.done(connection, agreement, approval)
    runtime.seen.saw(after.here)
    witnesses.write(after)
    log.warning("the store was recovered", epoch=epoch, since=plan.since.isoformat(), by=by)
    return Recovered(epoch, plan.since, window.opened_at, len(plan.finals), opened)


def propose_close(connection: Connection, by: str) -> Proposal:
    """Keep it for another person to agree to that what is open now is closed. In the caller's transaction. Raises
    NotRecovered where no window is open."""
    is_open = lost_time.open_ones(connection)
    if not is_open:
        raise NotRecovered("no window is open, so there is nothing to close; nothing was changed")
    given: dict[str, Any] = {"asked": {}, "seen": {"windows": is_open}, "reason": "every upstream has resent", "by": by}
    return proposals.propose(connection, Kind.CLOSE_WINDOW, "store", **given)


def close(runtime: Runtime, by: str, *, approval: Approval | None = None) -> int:
    """Close what is open; how many windows that were. What was accepted in them stays in doubt until it is decided.

    approval: of the proposal that this is; raises what `agreed` does, and Void where other windows are open.
    """
    with runtime.database.transaction() as connection:
        agreement = None if approval is None else proposals.agreed(connection, approval)
        is_open = lost_time.open_ones(connection)
        if agreement is not None and agreement.seen.get("windows") != is_open:
            raise Void("other windows are open now than when it was proposed")
        lost_time.close(connection, is_open, by)
        if is_open:
            audit.write(connection, "window.closed", "store", by=by, content={"windows": len(is_open)})
        proposals.done(connection, agreement, approval)
    log.warning("the window after a lost time was closed", windows=len(is_open), by=by)
    return len(is_open)


def _take_over(connection: Connection, runtime: Runtime, subject: str, lost: Lost, epoch: int) -> None:
    """What upstream was told of one payment becomes ours."""
    source, intent_id = _names(subject)
    here, newest, final = finals.find(connection, source, intent_id), lost.newest, lost.final
    if here is None and newest is not None:
        finals.keep_lost(connection, source, intent_id, epoch, newest)
    if here is not None and newest is not None and here.reference != newest.fields["sent_reference"]:
        log.error("upstream was told of another payment under this id", payment_id=here.id)
        return
    if final is not None:
        payment_id = _ended(connection, runtime, here, final, _settle(connection, source, lost))
    elif here is not None:
        recall(connection, [here.id])
        payment_id = here.id
    else:
        return
    finals.keep_events(connection, payment_id, lost.events)
    for event in lost.events:
        if event.type.split(".")[1] in ("receipt", "sms") and newest is not None:
            finals.keep_follow_up(connection, payment_id, newest.fields["provider"], event)
    if final is not None:
        lost_time.follow(connection, payment_id)


def _settle(connection: Connection, source: str, lost: Lost) -> Found | None:
    """The settle that a refund names, where it is here."""
    found = None if lost.of is None else finals.find(connection, source, lost.of)
    return found if found is not None and found.state is not None else None


def _ended(connection: Connection, runtime: Runtime, here: Found | None, final: Told, settle: Found | None) -> int:
    """A payment ends as upstream was told, here or as one that is new here; its id."""
    known = [one.id for one in (here, settle) if one is not None]
    if known:
        recall(connection, known)
    settle_id = settle.id if settle is not None else None
    if here is None:
        return finals.insert(connection, final, settle_id)
    if finals.end(connection, here.id, final, settle_id):
        complete(connection, runtime, here.id, final.fields["request_sha256"], settle_id)
    return here.id


def _names(subject: str) -> tuple[str, str]:
    source, _, intent_id = subject.partition("/")
    return source, intent_id

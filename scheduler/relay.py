"""The relay process: events from the outbox to the stream, in order, at least once. One is active at a time. Beside it,
in threads, webhooks get what is on the stream (`delivering`), whichever relay is active.

Dying after the stream took a batch and before the outbox was told: the batch is written again, with the same ids.
"""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import redis

from scheduler import delivering
from scheduler.upkeep import Upkeep
from shared import health, process
from shared.database import chosen, leases, locks, session, store, version
from shared.database.engine import AWAY, Connection, Database, Row
from shared.database.leases import Lease, LeaseLost
from shared.database.store import HeldError, Seen
from shared.events import outbox
from shared.messaging import events_stream
from shared.recovery import beat, stream
from shared.settings import Settings, load_settings
from shared.telemetry import counters, traces
from shared.telemetry.logs import get_logger
from shared.telemetry.traces import Span, Traced

log = get_logger(__name__)

_BATCH = 500
_IDLE_S = 0.1
_AWAY_S = 1.0
_OF_PAYMENTS = "settlepipe.payment."
_LEASE_S = leases.LENGTH_S  # a relay that stands still for so long has lost its right


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = load_settings()
    stop = process.start("relay", settings)
    client = process.broker(settings)
    database = chosen.database(settings, 1, "settlepipe relay")
    upkeep, seen = Upkeep(client, settings), Seen()
    process.patiently(lambda: process.right_servers(settings), stop)
    deliveries = delivering.begin(settings, seen, stop)
    health.has_turn(False)
    health.started()
    lease: Lease | None = None
    while not stop.is_set():
        health.turned()
        try:
            lease = _wait_for_turn(database, client, stop, lease)
            if lease is not None:
                relay(database, lease, client, settings, stop, upkeep=upkeep, seen=seen)
        except session.Unusable as error:
            log.error("this database can't be used; trying again", reason=str(error))
        except HeldError as error:
            log.warning("nothing is relayed", reason=str(error))
        except LeaseLost:
            log.warning("another relay has the turn; this one stood still for long")
        except version.MISSING as error:
            process.patiently(lambda: process.right_servers(settings), stop)  # ends it, where the schema went
            log.error("the database lacks what its schema has; trying again", reason=type(error).__name__)
        except psycopg.Error as error:
            log.warning("PostgreSQL does not answer; trying again", reason=type(error).__name__)
        except redis.RedisError as error:
            upkeep.stands(error)
        health.has_turn(False)
        lease = _given_back(database, lease)
        stop.wait(_AWAY_S)
    if deliveries is not None:
        deliveries.end()


def _wait_for_turn(
    database: Database, client: "redis.Redis", stop: threading.Event, kept: Lease | None = None
) -> Lease | None:
    """The relays' lease; None when told to stop before. kept: one that could not be given back: nobody waits for it."""
    while not stop.is_set():
        with database.connection() as connection:
            if kept is not None:
                leases.renew(connection, kept)
                lease: Lease | None = kept
            else:
                # Not lower than what was written under before, also where the database has forgotten it.
                above = max(outbox.newest_turn(connection), events_stream.newest_turn(client))
                lease = leases.take(connection, locks.RELAY, _LEASE_S, above=above)
        if lease is not None:
            health.has_turn(True)
            return lease
        health.turned()
        stop.wait(_AWAY_S)
    return None


def _given_back(database: Database, lease: Lease | None) -> Lease | None:
    """None; or the lease, while PostgreSQL can't be told: it is this process's own then, for a while."""
    if lease is None:
        return None
    try:
        with database.connection() as connection:
            leases.give_back(connection, lease)
    except AWAY:
        return lease
    return None


def relay(
    database: Database,
    lease: Lease,
    client: "redis.Redis",
    settings: Settings,
    stop: threading.Event,
    *,
    upkeep: Upkeep | None = None,
    seen: Seen | None = None,
) -> None:
    """Carry events while the lease is this process's. Raises what the servers raise; LeaseLost; HeldError while the
    store is held.

    A lease alone can't hold back a relay that was frozen just after it had renewed it. So what is written stands behind
    the entry that this relay knows as the stream's last, and no other has begun under a higher number, or it isn't
    written; and what is noted is noted in its own turn.
    """
    upkeep, seen = upkeep or Upkeep(client, settings), seen or Seen()
    mine: _Mine | None = None
    while not stop.is_set():
        health.turned()
        upkeep.look()
        with database.connection() as connection:
            store.require(connection, seen)
            leases.keep(connection, lease)
            mine = mine or _begin(connection, lease, client, settings)
            batch = outbox.pending(connection, _BATCH)
            mine = _carry(connection, client, settings, mine, batch)
            if len(batch) < _BATCH and mine is not None:
                outbox.end_replay(connection, mine.turn)
        upkeep.goes_on()
        if len(batch) < _BATCH:
            stop.wait(_IDLE_S)


@dataclass(frozen=True, slots=True)
class _Mine:
    """turn: what this relay notes with. last: the stream's last entry, as this relay left it."""

    turn: int
    last: str


def _begin(connection: Connection, lease: Lease, client: "redis.Redis", settings: Settings) -> _Mine:
    """Take the turn. Where the stream lost what was written last, have it written again, before what is new."""
    leases.renew(connection, lease)
    events_stream.trim(
        client, settings.events_keep_s, settings.events_keep_entries
    )  # a full broker refuses what follows
    began = events_stream.begin(client, lease.number)
    turn = outbox.begin(connection, lease.number) if began else None
    if turn is None:
        raise LeaseLost(lease.name)
    last = events_stream.last_id(client)
    lost = next(stream.unknown(connection, client, turn.entry_id), None)
    if lost is not None:
        beat.hold(connection, f"upstream was told of {lost.event_id}, which the database does not have")
        raise HeldError("the events stream is ahead of the database")
    if turn.entry_id is not None and turn.entry_id != last and not events_stream.holds(client, turn.entry_id):
        seconds = settings.events_replay_s
        replayed = outbox.replay_wiped(connection, turn.number, seconds, lambda: _goes_on(connection, lease))
        log.warning("the events stream lost its last entry; replaying", events=replayed)
    return _Mine(turn.number, last)


def _goes_on(connection: Connection, lease: Lease) -> None:
    """Between two parts of a long replay."""
    health.turned()
    leases.keep(connection, lease)


def _carry(
    connection: Connection, client: "redis.Redis", settings: Settings, mine: _Mine, batch: Sequence[Row]
) -> _Mine | None:
    """Write a batch and note it. None when the stream is not as this relay left it, or somebody else has the turn."""
    if not batch:
        return mine if events_stream.last_id(client) == mine.last else None
    keep_s, most = settings.events_keep_s, settings.events_keep_entries
    entry_id = events_stream.publish(client, batch, keep_s, mine.last, keep_entries=most, turn=mine.turn)
    if entry_id is None:
        return None
    counters.events(len(batch))
    noted = outbox.carried(connection, batch, entry_id, mine.turn)
    _trace(batch)
    return _Mine(mine.turn, entry_id) if noted else None


def _trace(batch: Sequence[Row]) -> None:
    """Each payment's event in its trace, from when it was written to the outbox until it stood on the stream."""
    if not traces.on():
        return
    now = time.time()
    for event in batch:
        if event["type"].startswith(_OF_PAYMENTS):
            told = json.loads(event["data"])
            number = int(event["event_id"].split("-")[-2])
            of = Traced(number, told["provider"], told["operation"], told["sent_reference"], event["traceparent"])
            traces.tell(Span(of, "event", event["created_at"].timestamp(), now, {"type": event["type"]}))


if __name__ == "__main__":
    main()

"""The relay process: events from the outbox to the stream, in order, at least once. One is active at a time.

Dying after the stream took a batch and before the outbox was told: the batch is written again, with the same ids.
"""

import threading

import psycopg
import redis
from sqlalchemy.exc import SQLAlchemyError

from shared.messaging import broker, streams
from shared.settings import Settings, load_settings
from shared.store import events
from shared.store.engine import SESSION, Connection, Database, driver_url
from shared.telemetry import process
from shared.telemetry.logs import get_logger
from shared.telemetry.ready import announce_ready

log = get_logger(__name__)

_BATCH = 500
_IDLE_S = 0.1
_AWAY_S = 1.0
_ACTIVE = 7310587404  # the advisory lock of the one active relay


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = load_settings()
    stop = process.start("relay", settings)
    url = process.database_url(settings)
    client = broker.connect(process.broker_url(settings))
    database = Database(url, pool_size=1, application="settlepipe relay")
    announce_ready()
    while not stop.is_set():
        try:
            with psycopg.connect(driver_url(url), autocommit=True, **SESSION) as lock:
                _wait_for_turn(lock, stop)
                relay(database, lock, client, settings, stop)
        except (psycopg.Error, SQLAlchemyError) as error:
            log.warning("PostgreSQL does not answer; trying again", reason=type(error).__name__)
        except redis.RedisError as error:
            log.warning("the broker does not answer; events wait in the outbox", reason=type(error).__name__)
        stop.wait(_AWAY_S)


def _wait_for_turn(lock: "psycopg.Connection[tuple[bool]]", stop: threading.Event) -> None:
    while not stop.is_set():
        row = lock.execute("SELECT pg_try_advisory_lock(%s)", (_ACTIVE,)).fetchone()
        if row and row[0]:
            return
        stop.wait(_AWAY_S)


def relay(
    database: Database,
    lock: "psycopg.Connection[tuple[bool]]",
    client: "redis.Redis",
    settings: Settings,
    stop: threading.Event,
) -> None:
    """Carry events while the lock's connection lives. Raises what the servers raise."""
    while not stop.is_set():
        with database.connection() as connection:
            batch = events.pending(connection, _BATCH)
            position = events.position(connection)
            if batch:
                lock.execute("SELECT 1")  # still ours: else a successor may be writing
                entry_id = streams.publish(client, batch, settings.events_keep_s, after=position)
                if entry_id is not None:
                    events.carried(connection, [event["id"] for event in batch], entry_id)
            else:
                entry_id = position if position is None or streams.holds(client, position) else None
            if position is not None and entry_id is None:
                _replay(connection, settings)
        if len(batch) < _BATCH:
            stop.wait(_IDLE_S)


def _replay(connection: Connection, settings: Settings) -> None:
    """The stream was wiped: what it held lately comes again, in order, before what is new."""
    replayed = events.replay_last(connection, settings.events_replay_s)
    events.forget_position(connection)
    log.warning("the events stream lost its last entry; replaying", events=replayed)


if __name__ == "__main__":
    main()

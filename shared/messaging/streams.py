"""Intake and events on Redis Streams. The only module that knows their form; AMQP would stand beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

INTAKE_FIELD = b"intent"
EVENTS = "settlepipe:events"
EVENT_FIELD = "event"
GROUP = "settlepipe"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an intake stream. raw is its `intent` field; None when the entry has another form."""

    stream: str
    entry_id: bytes
    raw: bytes | None
    fields: Mapping[bytes, bytes]


class Intake:
    """Reads intake streams in a consumer group. One process, one object, one consumer name."""

    def __init__(self, client: "redis.Redis", streams: Sequence[str], consumer: str, reclaim_idle_s: float) -> None:
        self._client, self._streams, self._consumer = client, list(streams), consumer
        self._idle_ms = int(reclaim_idle_s * 1000)
        self._cursors = dict.fromkeys(self._streams, b"0-0")

    def read(self, count: int, block_ms: int) -> list[Entry]:
        """Up to `count` new entries, waiting at most `block_ms`. Raises redis.RedisError."""
        try:
            answer = self._client.xreadgroup(
                GROUP, self._consumer, dict.fromkeys(self._streams, ">"), count=count, block=block_ms
            )
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            self.create_groups()
            return []
        return [entry for stream, rows in _pairs(answer) for entry in _entries(stream, rows)]

    def reclaim(self, count: int) -> list[Entry]:
        """Entries that a consumer took and never acknowledged; each call goes on where the last one ended."""
        entries: list[Entry] = []
        for stream in self._streams:
            try:
                cursor, rows, *_ = self._client.xautoclaim(
                    stream, GROUP, self._consumer, self._idle_ms, start_id=self._cursors[stream], count=count
                )
            except redis.ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                self.create_groups()
                continue
            self._cursors[stream] = cursor
            entries += _entries(stream.encode(), [row for row in rows if row[1] is not None])
        return entries

    def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Take entries off their streams, after the commit: acknowledged and deleted in one MULTI."""
        pipeline = self._client.pipeline(transaction=True)
        for stream in {entry.stream for entry in entries}:
            ids = [entry.entry_id for entry in entries if entry.stream == stream]
            pipeline.xack(stream, GROUP, *ids)
            pipeline.xdel(stream, *ids)
        pipeline.execute()

    def create_groups(self) -> None:
        """Create each stream's group at its beginning; nothing when it is there."""
        for stream in self._streams:
            try:
                self._client.xgroup_create(stream, GROUP, id="0", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise


def submit(client: "redis.Redis", stream: str, intents: Sequence[bytes]) -> None:
    """Put intents on an intake stream as they are."""
    pipeline = client.pipeline(transaction=False)
    for intent in intents:
        pipeline.xadd(stream, {INTAKE_FIELD: intent})
    pipeline.execute()


def publish(
    client: "redis.Redis", events: Sequence[Mapping[str, Any]], keep_s: float, after: str | None = None
) -> str | None:
    """Add events (rows of the outbox) in order and trim what is too old; the id of the last entry.

    None, and nothing is written, when the stream has lost entry `after`: older events have to come before these.
    Raises redis.WatchError when the stream changes hands meanwhile; nothing is written then either.
    """
    oldest = f"{int((datetime.now(UTC).timestamp() - keep_s) * 1000)}-0"
    with client.pipeline(transaction=True) as pipeline:
        if after is not None:
            # A wipe after this look, or a new connection, makes the transaction fail.
            pipeline.watch(EVENTS)  # type: ignore[no-untyped-call]
            if not pipeline.xrange(EVENTS, after, after, count=1):
                return None
            pipeline.multi()
        for event in events:
            pipeline.xadd(EVENTS, {EVENT_FIELD: cloud_event(event)})
        pipeline.xtrim(EVENTS, minid=oldest, approximate=True)
        return str(pipeline.execute()[len(events) - 1].decode())


def holds(client: "redis.Redis", entry_id: str) -> bool:
    """Does the events stream still have this entry?"""
    return bool(client.xrange(EVENTS, entry_id, entry_id, count=1))


def cloud_event(event: Mapping[str, Any]) -> str:
    """A row of the outbox as CloudEvents 1.0 JSON; the same row gives the same text."""
    envelope = {
        "specversion": "1.0",
        "id": event["event_id"],
        "source": "/settlepipe",
        "type": event["type"],
        "subject": event["subject"],
        "time": event["created_at"].astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
    }
    return f'{json.dumps(envelope, ensure_ascii=False)[:-1]}, "data": {event["data"]}}}'


def newest(client: "redis.Redis") -> str:
    """The position behind the last event that is there now: `events_after` it gives what comes next."""
    last = last_events(client, 1)
    return last[0][0] if last else "0-0"


def events_after(client: "redis.Redis", position: str, count: int, block_ms: int) -> list[tuple[str, str]]:
    """(position, CloudEvents JSON) of up to `count` events behind `position`, waiting at most `block_ms` for one.

    Raises redis.RedisError. After a wipe the stream goes on behind any earlier position: its ids are times.
    """
    answer = client.xread({EVENTS: position}, count=count, block=block_ms)
    return [_event(entry_id, fields) for _, rows in _pairs(answer) for entry_id, fields in _flat(rows)]


def last_events(client: "redis.Redis", count: int) -> list[tuple[str, str]]:
    """The last `count` events that are on the stream, the oldest first."""
    rows: Any = client.xrevrange(EVENTS, count=count)
    return [_event(entry_id, fields) for entry_id, fields in reversed(rows)]


def _event(entry_id: bytes, fields: Mapping[bytes, bytes]) -> tuple[str, str]:
    return entry_id.decode(), fields[EVENT_FIELD.encode()].decode()


def _pairs(answer: Any) -> list[tuple[bytes, Any]]:
    if not answer:
        return []
    pairs = answer.items() if isinstance(answer, dict) else answer
    return [(stream, rows) for stream, rows in pairs]


def _entries(stream: bytes, rows: Any) -> list[Entry]:
    return [
        Entry(stream.decode(), entry_id, fields[INTAKE_FIELD] if set(fields) == {INTAKE_FIELD} else None, fields)
        for entry_id, fields in _flat(rows)
    ]


def _flat(rows: Any) -> Any:
    nested = rows and isinstance(rows[0], list) and rows[0] and isinstance(rows[0][0], tuple)
    return rows[0] if nested else rows  # RESP3 nests one level deeper

"""Events on a Redis Stream, for upstream. The only module that knows its form."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import redis

from shared.domain import broker_keys
from shared.messaging.replies import flat, pairs

EVENTS, TURN = broker_keys.EVENTS, broker_keys.EVENTS_TURN
EVENT_FIELD = "event"
SCHEMA = "urn:settlepipe:schema:event:1"  # `settlepipe schema event` prints it
BEFORE_DATA = ', "data": '  # the last field: it is told to the byte
_MOST_TURNS = 2**53
_TRIM_ROUNDS = 10  # at once; XTRIM takes about 10,000 entries at a time
_TRIM_LEAST = 1000  # a round that takes fewer was the last


def begin(client: "redis.Redis", turn: int) -> bool:
    """From now on nobody writes under a lower number than `turn`. False: somebody has begun under a higher one.

    Raises redis.RedisError.
    """
    with client.pipeline(transaction=True) as pipeline:
        while True:
            pipeline.watch(TURN)  # type: ignore[no-untyped-call]
            found = newest_turn(pipeline)
            if found >= turn:
                return found == turn
            pipeline.multi()
            pipeline.set(TURN, turn)
            try:
                pipeline.execute()
            except redis.WatchError:
                continue
            return True


def newest_turn(client: Any) -> int:
    """The highest number that any relay has begun under, as far as the broker remembers; 0: none. client: or a pipeline
    that watches."""
    text = client.get(TURN) or b""
    found = int(text) if text.isdigit() else 0
    return found if found < _MOST_TURNS else 0  # nobody's: it would stop every relay for ever


def publish(
    client: "redis.Redis",
    events: Sequence[Mapping[str, Any]],
    keep_s: float,
    after: str | None = None,
    *,
    keep_entries: int | None = None,
    turn: int | None = None,
) -> str | None:
    """Trim the events stream, then add events (rows of the outbox) in order; the id of the last entry.

    None, and nothing is written, when the stream's last entry is another one than `after` (where that is given): it
    was wiped, or somebody else wrote; or when another relay has begun under a higher number than `turn`. The look and
    the writing are one step: a process that was frozen between them writes nothing. Raises redis.RedisError.
    """
    trim(client, keep_s, keep_entries)
    with client.pipeline(transaction=True) as pipeline:
        if after is not None:
            # What changes either after this look, or a new connection, makes the transaction fail.
            pipeline.watch(EVENTS, TURN)  # type: ignore[no-untyped-call]
            if _last_id(pipeline) != after or (turn is not None and newest_turn(pipeline) > turn):
                return None
            pipeline.multi()
        for event in events:
            pipeline.xadd(EVENTS, {EVENT_FIELD: cloud_event(event)})
        try:
            return str(pipeline.execute()[-1].decode())
        except redis.WatchError:
            return None


def trim(client: "redis.Redis", keep_s: float, keep_entries: int | None = None) -> int:
    """Take what is too old, or too much, off the events stream; how many entries.

    By itself, never with an XADD: a full broker refuses that one, and this is what makes room. Both limits are kept
    to within a node of the stream (100 entries). Raises redis.RedisError.
    """
    oldest = f"{int((_now_s(client) - keep_s) * 1000)}-0"
    removed = 0
    for _ in range(_TRIM_ROUNDS):
        pipeline = client.pipeline(transaction=False)
        pipeline.xtrim(EVENTS, minid=oldest, approximate=True)
        if keep_entries is not None:
            pipeline.xtrim(EVENTS, maxlen=keep_entries, approximate=True)
        gone = sum(pipeline.execute())
        removed += gone
        if gone < _TRIM_LEAST:
            break
    return removed


def _now_s(client: "redis.Redis") -> float:
    """The earlier one of the broker's clock, which entries' ids come from, and ours: neither alone, running ahead, may
    empty the stream."""
    ours = datetime.now(UTC).timestamp()
    try:
        seconds, micros = client.time()
    except redis.ResponseError:  # an account that may not ask
        return ours
    return min(ours, seconds + micros / 1e6)


def last_id(client: "redis.Redis") -> str:
    """The id of the entry that was added last, though it may be trimmed by now; 0-0: there is no stream."""
    return _last_id(client)


def _last_id(client: Any) -> str:
    try:
        return str(client.xinfo_stream(EVENTS)["last-generated-id"].decode())
    except redis.ResponseError as error:
        if "no such key" not in str(error):
            raise
        return "0-0"


def holds(client: "redis.Redis", entry_id: str) -> bool:
    """Does the events stream still have this entry?"""
    return bool(client.xrange(EVENTS, entry_id, entry_id, count=1))


def cloud_event(event: Mapping[str, Any]) -> str:
    """A row of the outbox as CloudEvents 1.0 JSON; the same row gives the same text."""
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": event["event_id"],
        "source": "/settlepipe",
        "type": event["type"],
        "subject": event["subject"],
        "time": event["created_at"].astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "dataschema": f"{SCHEMA}#/$defs/{event['type'].split('.')[1]}",
    }
    if event.get("traceparent"):
        envelope["traceparent"] = event["traceparent"]
    return f"{json.dumps(envelope, ensure_ascii=False)[:-1]}{BEFORE_DATA}{event['data']}}}"


def newest(client: "redis.Redis") -> str:
    """The position behind the last event that is there now: `events_after` it gives what comes next."""
    last = last_events(client, 1)
    return last[0][0] if last else "0-0"


def events_after(client: "redis.Redis", position: str, count: int, block_ms: int) -> list[tuple[str, str]]:
    """(position, CloudEvents JSON) of up to `count` events behind `position`, waiting at most `block_ms` for one.

    Raises redis.RedisError. After a wipe the stream goes on behind any earlier position: its ids are times.
    """
    answer = client.xread({EVENTS: position}, count=count, block=block_ms)
    return [_event(entry_id, fields) for _, rows in pairs(answer) for entry_id, fields in flat(rows)]


def events_between(client: "redis.Redis", position: str, count: int) -> list[tuple[str, str]]:
    """The first `count` events that are there now behind `position`, the oldest first. Raises redis.RedisError."""
    rows: Any = client.xrange(EVENTS, f"({position}", "+", count=count)
    return [_event(entry_id, fields) for entry_id, fields in rows if EVENT_FIELD.encode() in fields]


def last_events(client: "redis.Redis", count: int) -> list[tuple[str, str]]:
    """The last `count` events that are on the stream, the oldest first."""
    rows: Any = client.xrevrange(EVENTS, count=count)
    return [_event(entry_id, fields) for entry_id, fields in reversed(rows)]


def _event(entry_id: bytes, fields: Mapping[bytes, bytes]) -> tuple[str, str]:
    return entry_id.decode(), fields[EVENT_FIELD.encode()].decode()

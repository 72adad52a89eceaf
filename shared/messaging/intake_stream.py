"""Intake on Redis Streams. AMQP would stand beside it."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.exceptions import NoPermissionError

from shared.messaging.intake_entry import INTAKE_FIELD, known
from shared.messaging.intake_scripts import FORGET, TAKE
from shared.messaging.replies import pairs

GROUP = "settlepipe"
_BEGINNING = "0-0"
_LAST_ID = b"18446744073709551615-18446744073709551615"
_ASIDE_S = 5.0  # so long a stream that was refused is left alone
_GONE_MS = 2000  # a consumer that did nothing for so long is gone: a living one asks each second
_MOST_GONE = 1000  # deleted at once


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an intake stream. raw is its `intent` field; None when the entry has another form.

    traceparent: what came beside the intent, where it is valid; it is no part of the intent.
    deliveries: how often somebody read it, this time included.
    """

    stream: str
    entry_id: bytes
    raw: bytes | None
    fields: Mapping[bytes, bytes]
    deliveries: int = 1
    traceparent: str | None = None


BATCH_BYTES = 4 * 1024 * 1024


class Intake:
    """Reads intake streams in a consumer group. One process, one object.

    Each stream stands by itself: one that the broker refuses (another kind of value, no right to the key) is put aside
    for a while, is named in `refused`, and stops no other.
    consumer: this process's alone, new at each start: what is pending under it, this process has read.
    max_bytes: what is read at a time has no more, but for the last entry of it.
    """

    def __init__(
        self,
        client: "redis.Redis",
        streams: Sequence[str],
        consumer: str,
        reclaim_idle_s: float,
        max_bytes: int = BATCH_BYTES,
    ) -> None:
        self._client, self._streams, self._consumer = client, list(streams), consumer
        self._idle_ms = int(reclaim_idle_s * 1000)
        self._max_bytes = max_bytes
        self._cursors = dict.fromkeys(self._streams, "-")
        self._own_at = dict.fromkeys(self._streams, _BEGINNING)
        self._aside: dict[str, float] = {}
        self.refused: dict[str, str] = {}
        self._script = client.register_script(TAKE)
        self._scripts_allowed = True
        for command in ("XREADGROUP", "XCLAIM"):  # as a dict an entry would lose a field that stands twice
            client.set_response_callback(command, lambda answer, **_: answer)

    def read(self, count: int, block_ms: int) -> list[Entry]:
        """Up to `count` new entries of each stream, waiting at most `block_ms` for one. Raises redis.RedisError."""
        self._streams.append(self._streams.pop(0))  # none goes first always: a full one would starve the others
        back = [stream for stream in self._usable() if stream in self.refused]
        if back:  # alone, so that one that is still refused doesn't cost the others a turn
            return [entry for stream in back for entry in self._read_alone(stream, count)]
        streams = self._usable()
        if not streams:
            time.sleep(block_ms / 1000)
            return []
        try:
            return self._waiting(streams, count) or self._next(streams, block_ms)
        except redis.ResponseError:
            return [entry for stream in streams for entry in self._read_alone(stream, count)]

    def own(self, count: int) -> list[Entry]:
        """What this process has read before and not acknowledged: up to `count` entries of each stream, going on where
        the last call ended. None at all ends the turn, and the next call begins anew.

        To be asked when nothing is in hand. What another one took over meanwhile is left to it.
        Raises redis.RedisError.
        """
        entries: list[Entry] = []
        size = 0
        for stream in self._usable():
            try:
                for entry in self._own(stream, count):
                    entries.append(entry)
                    size += _size(entry)
                    if size >= self._max_bytes:
                        return entries
            except redis.ResponseError as error:
                if "NOGROUP" not in str(error):  # a group that is gone has nothing pending
                    self._put_aside(stream, error)
        if not entries:
            self._own_at = dict.fromkeys(self._streams, _BEGINNING)
        return entries

    def reclaim(self, count: int) -> Iterator[Entry]:
        """Entries that a consumer took and never acknowledged, up to `count` of a stream; each call goes on where the
        last one ended.

        Each is taken when it is asked for, and no earlier: who ends with one in hand leaves the others alone.
        """
        for stream in self._usable():
            try:
                yield from self._reclaim(stream, count)
            except redis.ResponseError as error:
                if "NOGROUP" not in str(error):  # the next read makes the group
                    self._put_aside(stream, error)

    def forgive(self, entries: Sequence[Entry]) -> None:
        """Reading these came to nothing and that was not their fault: it doesn't count."""
        pipeline = self._client.pipeline(transaction=False)
        for entry in entries:
            before = entry.deliveries - 1
            pipeline.xclaim(entry.stream, GROUP, self._consumer, 0, [entry.entry_id], retrycount=before, justid=True)
        pipeline.execute()

    def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Take entries off their streams, after the commit: acknowledged and deleted in one MULTI for each stream.

        Those of a stream that refuses it stay: they are read again, and change nothing. Raises redis.RedisError.
        """
        for stream in dict.fromkeys(entry.stream for entry in entries):
            ids = [entry.entry_id for entry in entries if entry.stream == stream]
            pipeline = self._client.pipeline(transaction=True)
            pipeline.xack(stream, GROUP, *ids)
            pipeline.xdel(stream, *ids)
            try:
                pipeline.execute()
            except redis.ResponseError as error:
                self._put_aside(stream, error)

    def forget_consumers(self) -> int:
        """Delete the group's consumers that are gone: idle, with nothing pending; how many.

        In one step on the broker, because a consumer's pending entries would be lost with it. One that only stood still
        is there again with its next read. Where the broker allows no script they stay. Raises redis.RedisError.
        """
        gone = 0
        for stream in self._usable():
            given = (GROUP, self._consumer, str(_GONE_MS), str(_MOST_GONE))
            with contextlib.suppress(redis.ResponseError):  # no group, no script: told by the next read, or no matter
                gone += int(self._client.eval(FORGET, 1, stream, *given))
        return gone

    def exhausted(self) -> list[str]:
        """The streams that can take no more entries: somebody wrote the last possible id. Raises redis.RedisError."""
        found = []
        for stream in self._usable():
            with contextlib.suppress(redis.ResponseError):
                if self._client.xinfo_stream(stream)["last-generated-id"] == _LAST_ID:
                    found.append(stream)
        return found

    def _create_group(self, stream: str) -> None:
        try:
            self._client.xgroup_create(stream, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _usable(self) -> list[str]:
        now = time.monotonic()
        return [stream for stream in self._streams if self._aside.get(stream, 0.0) <= now]

    def _put_aside(self, stream: str, error: redis.ResponseError) -> None:
        self._aside[stream] = time.monotonic() + _ASIDE_S
        self.refused[stream] = str(error)[:200]

    def _read_alone(self, stream: str, count: int) -> list[Entry]:
        try:
            try:
                entries = self._waiting([stream], count)
            except redis.ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                self._create_group(stream)
                entries = []
        except redis.ResponseError as error:
            self._put_aside(stream, error)
            return []
        self.refused.pop(stream, None)
        return entries

    def _waiting(self, streams: Sequence[str], count: int) -> list[Entry]:
        """What is there now."""
        if self._scripts_allowed:
            try:
                taken: Any = self._script(list(streams), [GROUP, self._consumer, count, self._max_bytes])
                pairs = zip(streams, taken, strict=True)
                return [entry for stream, rows in pairs for entry in _entries(stream, rows)]
            except redis.ResponseError as error:
                if not (isinstance(error, NoPermissionError) or "unknown command" in str(error)):
                    raise
                # Perhaps the right to one of the keys is what is missing: then the next line is refused as well.
                entries = self._one_by_one(streams, count)
                self._scripts_allowed = False
                return entries
        return self._one_by_one(streams, count)

    def _one_by_one(self, streams: Sequence[str], count: int) -> list[Entry]:
        """The same where scripts are forbidden: a round trip for each."""
        entries: list[Entry] = []
        size = 0
        while len(entries) < count and size < self._max_bytes and (found := self._next(streams, None)):
            entries += found
            size += sum(map(_size, found))
        return entries

    def _next(self, streams: Sequence[str], block_ms: int | None) -> list[Entry]:
        """At most one entry of each stream."""
        given: Any = dict.fromkeys(streams, ">")
        answer = self._client.xreadgroup(GROUP, self._consumer, given, count=1, block=block_ms)
        return [entry for stream, rows in pairs(answer) for entry in _entries(stream.decode(), rows)]

    def _own(self, stream: str, count: int) -> Iterator[Entry]:
        page: Any = self._client.xpending_range(
            stream, GROUP, min="(" + self._own_at[stream], max="+", count=count, consumername=self._consumer
        )
        deliveries = {row["message_id"]: row["times_delivered"] + 1 for row in page}
        for _ in page:
            given: Any = {stream: self._own_at[stream]}
            answer = self._client.xreadgroup(GROUP, self._consumer, given, count=1)
            for entry_id, flat in (row for _, rows in pairs(answer) for row in rows):
                self._own_at[stream] = entry_id.decode()
                if flat:
                    yield from _entries(stream, [(entry_id, flat)], deliveries.get(entry_id, 1))
                else:  # somebody deleted it from the stream
                    self._client.xack(stream, GROUP, entry_id)

    def _reclaim(self, stream: str, count: int) -> Iterator[Entry]:
        page: Any = self._client.xpending_range(
            stream, GROUP, min=self._cursors[stream], max="+", count=count, idle=self._idle_ms
        )
        for row in page:
            entry_id: bytes = row["message_id"]
            self._cursors[stream] = "(" + entry_id.decode()
            taken = self._client.xclaim(stream, GROUP, self._consumer, self._idle_ms, [entry_id])
            # None of them: somebody else was faster. An older server gives what was deleted as nothing.
            rows = [one for one in taken if one and one[1]]
            yield from _entries(stream, rows, row["times_delivered"] + 1)
        if len(page) < count:
            self._cursors[stream] = "-"


def is_read(client: "redis.Redis", stream: str) -> bool:
    """Has an intake made its group on this stream? Raises redis.ResponseError where it is no stream."""
    groups: Any = client.xinfo_groups(stream) if client.exists(stream) else []
    return any(group["name"] in (GROUP, GROUP.encode()) for group in groups)


def pending(client: "redis.Redis", stream: str) -> int:
    """Entries that an intake has read and not acknowledged. Raises redis.ResponseError where it is no stream."""
    groups: Any = client.xinfo_groups(stream) if client.exists(stream) else []
    return sum(int(group["pending"]) for group in groups if group["name"] in (GROUP, GROUP.encode()))


def submit(client: "redis.Redis", stream: str, intents: Sequence[bytes]) -> None:
    """Put intents on an intake stream as they are."""
    pipeline = client.pipeline(transaction=False)
    for intent in intents:
        pipeline.xadd(stream, {INTAKE_FIELD: intent})
    pipeline.execute()


def _size(entry: Entry) -> int:
    return sum(map(len, entry.fields.values()))


def _entries(stream: str, rows: Any, deliveries: int = 1) -> list[Entry]:
    entries = []
    for entry_id, flat in rows:
        names, values = flat[::2], flat[1::2]
        raw, trace = known(names, values)
        fields: dict[bytes, bytes] = {}
        for name, value in zip(names, values, strict=True):
            before = fields.get(name)  # of a field that stands twice both values are kept
            fields[name] = value if before is None else before + b"\n" + name + b"=" + value
        entries.append(Entry(stream, entry_id, raw, fields, deliveries, trace))
    return entries

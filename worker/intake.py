"""The intake process: intents from the streams into the database."""

import contextlib
import os
import secrets
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context

import redis

from shared import health, process
from shared.database import store
from shared.database.engine import AWAY
from shared.database.store import HeldError
from shared.messaging import broker
from shared.messaging.intake_stream import Entry, Intake
from shared.payments.accept import Batch, accept_understood, understood
from shared.runtime import Runtime
from shared.settings import Settings, load_settings
from shared.start import start
from shared.telemetry import counters
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, get_logger

log = get_logger(__name__)

_BLOCK_MS = 1000
_SWITCH_S = 0.0005  # what PostgreSQL answered goes on at once, not when the thread that reads ahead has had its 5 ms
_AWAY_S = 1.0  # wait before asking a server again that did not answer


class Streams:
    """Tells of streams that can't be read or can take no more, each standing still once; tidies their groups."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._refused: dict[str, str] = {}
        self._exhausted: set[str] = set()

    def look(self) -> None:
        """Called at a pace. Raises redis.RedisError."""
        refused = dict(self._intake.refused)
        for stream, reason in refused.items():
            if stream not in self._refused:
                sentence = "the broker refuses an intake stream; nobody's intents on it are read until that is mended"
                alert(Alert.INTAKE_STREAM_REFUSED, sentence, stream=stream, reason=reason)
        for stream in self._refused.keys() - refused.keys():
            log.info("an intake stream is read again", stream=stream)
        self._refused = refused
        exhausted = set(self._intake.exhausted())
        for stream in exhausted - self._exhausted:
            sentence = "an intake stream takes no more entries: somebody wrote the last possible id. Delete the key"
            alert(Alert.INTAKE_STREAM_EXHAUSTED, f"{sentence} once it is empty", stream=stream)
        self._exhausted = exhausted
        self._intake.forget_consumers()


class Unfinished:
    """What this process has read and could not bring to its end, because a server went away: read again and accepted.

    perhaps: something of it may be there. When taking it fails once more, what is left is taken one by one, and what
    fails then waits for its next turn: an entry at which PostgreSQL fails each time keeps no other.
    """

    def __init__(self, intake: Intake, client: "redis.Redis", batch: int) -> None:
        self._intake, self._client, self._batch = intake, client, batch
        self._at_a_time, self._any = batch, False
        self.perhaps = False

    def take(self, runtime: Runtime) -> int:
        """Accept and acknowledge the next of them, up to a batch; how many. Raises what `accept` does."""
        taken = 0
        while self.perhaps and taken < self._batch and (more := self._next(runtime)):
            taken += more
        return taken

    def _next(self, runtime: Runtime) -> int:
        try:
            entries = self._intake.own(self._at_a_time)
        except redis.RedisError:
            self._any = True  # some of them may have been read
            raise
        if not entries:  # the end of a turn: in another one those that failed are tried again
            self.perhaps, self._any = self._any, False
            self._at_a_time = self._at_a_time if self.perhaps else self._batch
            return 0
        self._any = True
        try:
            return _take(runtime, self._intake, self._client, entries)
        except AWAY:
            self._at_a_time = 1
            raise


class New:
    """What is new on the streams. While a full batch is committed, the next one is read and understood already: of a
    burst the processor and PostgreSQL work at the same time.

    When something fails, what was read ahead is forgotten here: it is `Unfinished`, and understood anew.
    """

    def __init__(self, runtime: Runtime, intake: Intake, client: "redis.Redis", batch: int) -> None:
        self._runtime, self._intake, self._client, self._batch = runtime, intake, client, batch
        self._ahead: tuple[list[Entry], Future[Batch] | None] = ([], None)
        self._pool = ThreadPoolExecutor(1, "reads-ahead")

    def take(self, block_ms: int, *, ahead: bool) -> int:
        """Accept and acknowledge the next of it, waiting so long for some; how many. Raises what `accept` does.

        ahead: may more be read meanwhile? Not before what is pending is looked at: it would be taken for that, or be in
        hand beside an entry that ends its reader.
        """
        (entries, batch), self._ahead = self._ahead, ([], None)
        entries = entries or self._intake.read(self._batch, block_ms)
        more = self._intake.read(self._batch, 1) if ahead and len(entries) >= self._batch else []
        following = self._pool.submit(copy_context().run, understood, self._runtime, more) if more else None
        taken = _take(self._runtime, self._intake, self._client, entries, batch)
        self._ahead = more, following
        return taken

    def forget(self) -> None:
        """What was read ahead."""
        self._ahead = [], None

    def end(self) -> None:
        """What was read ahead is accepted and acknowledged. Raises what `accept` does."""
        _take(self._runtime, self._intake, self._client, *self._ahead)


def main() -> None:
    """Run until SIGTERM or SIGINT: what was read is committed and acknowledged first."""
    settings = load_settings()
    stop = process.start("intake", settings)
    sys.setswitchinterval(_SWITCH_S)
    runtime = process.patiently(lambda: _started(settings), stop)
    client = process.broker(settings)
    # New at each start, so that what is pending under it is this process's own; those that are gone are forgotten.
    consumer, batch = f"{os.uname().nodename}-{os.getpid()}-{secrets.token_hex(4)}", settings.intake.batch
    sources = sorted(settings.intake.sources)
    intake = Intake(client, sources, consumer, settings.intake.reclaim_idle_s, settings.intake.batch_bytes)
    streams = Streams(intake)
    new, unfinished = New(runtime, intake, client, batch), Unfinished(intake, client, batch)
    health.started()
    reclaim_at = 0.0
    while not stop.is_set():
        health.turned()
        try:
            _look(runtime)
            block_ms, reclaims = 1 if unfinished.perhaps else _BLOCK_MS, time.monotonic() >= reclaim_at
            # What is new goes first: what fails again and again stops nobody.
            new.take(block_ms, ahead=not (unfinished.perhaps or reclaims))
            if reclaims:
                old = _take_over(runtime, intake, client, batch, stop)
                reclaim_at = time.monotonic() + (0 if old else settings.intake.reclaim_idle_s / 4)
                streams.look()
            unfinished.take(runtime)  # last: one that fails each time keeps nothing else from its turn
        except (redis.RedisError, HeldError, *AWAY) as error:
            # nothing was acknowledged: the entries stay pending, and are read again when that is over
            unfinished.perhaps = True
            new.forget()
            sentence, reason = _told(error)
            log.warning(sentence, reason=reason)
            stop.wait(_AWAY_S)
    with contextlib.suppress(redis.RedisError, HeldError, *AWAY):  # it stays pending then, and is taken over
        new.end()


def _told(error: Exception) -> tuple[str, str]:
    if isinstance(error, redis.RedisError):
        return "the broker does not answer; trying again", type(error).__name__
    if isinstance(error, HeldError):
        return "nothing is accepted; the entries stay pending", str(error)
    return "PostgreSQL does not answer; the entries stay pending", type(error).__name__


def _started(settings: Settings) -> Runtime:
    """Raises SettingsError also without the key that references are made with: this is the process that makes them."""
    runtime = start(settings, pool_size=2)
    _ = runtime.reference_key
    return runtime


def _look(runtime: Runtime) -> None:
    """What this process remembers of its database is no older than one read of the streams. Raises HeldError: while it
    may accept nothing, it reads nothing."""
    with runtime.database.connection() as connection:
        store.require(connection, runtime.seen)


def _take(
    runtime: Runtime,
    intake: Intake,
    client: "redis.Redis",
    entries: list[Entry],
    ahead: "Future[Batch] | None" = None,
) -> int:
    """Accept these, ring for their lanes, and acknowledge. How many there were. ahead: where somebody reads already
    what they mean."""
    if not entries:
        return 0
    try:
        batch = ahead.result() if ahead else understood(runtime, entries)
        accepted = accept_understood(runtime, batch)
    except AWAY:
        with contextlib.suppress(redis.RedisError):
            intake.forgive(entries)
        raise
    counters.entries(len(entries), accepted)
    if lanes := {offer.intent.provider for _, offer in batch.offered}:
        broker.ring(client, lanes)
    intake.acknowledge(entries)
    log.info("intents read", entries=len(entries), accepted=accepted)
    return len(entries)


def _take_over(runtime: Runtime, intake: Intake, client: "redis.Redis", count: int, stop: threading.Event) -> int:
    """What others took and left, one at a time: the one that ended its reader is alone then. How many there were."""
    taken = 0
    for entry in intake.reclaim(count):
        taken += _take(runtime, intake, client, [entry])
        health.turned()
        if stop.is_set():
            break
    return taken


if __name__ == "__main__":
    main()

"""witness: what is remembered of the database outside of it, in the broker and in a file, written each second.

A database that was restored, or a standby that lacked the last commits, ends before what its witnesses saw. One that
is lost with the database witnesses nothing; each is enough.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import redis

from shared.database.store import Store
from shared.domain.broker_keys import WITNESS
from shared.domain.standing import Standing
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

_FOLDER = "witness"


@dataclass(frozen=True, slots=True)
class Remembered:
    """One witness's memory: how far the database had come, and the fingerprint of the key of its references."""

    standing: Standing
    fingerprint: str | None
    derived_since: datetime | None


class Witnesses:
    """The broker and the folder HOME. One that can't be asked is passed over: it is told, and the other counts."""

    def __init__(self, home: Path, client: "redis.Redis | None") -> None:
        self._folder, self._client = home.expanduser().absolute() / _FOLDER, client

    def read(self, installation: str) -> list[Remembered]:
        """What each of them remembers of this installation; nothing of one that knows it not, or does not answer."""
        return list(_understood(self._texts(installation)))

    def write(self, store: Store) -> None:
        """Have each of them remember the store as it is. Raises nothing: the next second tries again.

        The caller has compared it with what they remembered, so nothing higher is forgotten.
        """
        at, installation = store.here, store.installation or ""
        fields: Mapping[str, Any] = {
            "epoch": at.epoch,
            "beat": at.beat,
            "at": at.at.isoformat(),
            "lives_at": at.lives_at,
            "written": at.written,
            "fingerprint": store.fingerprint,
            "derived_since": store.derived_since and store.derived_since.isoformat(),
        }
        text = json.dumps(fields)
        if self._client is not None:
            try:
                self._client.set(WITNESS.format(installation=installation), text)
            except redis.RedisError as error:
                log.debug("the broker takes no witness", reason=type(error).__name__)
        try:
            self._keep(self._folder / f"{installation}.json", text)
        except OSError as error:
            log.warning("HOME takes no witness of the database", reason=str(error))

    def _texts(self, installation: str) -> Iterable[str | bytes]:
        if self._client is not None:
            with contextlib.suppress(redis.RedisError):
                kept: Any = self._client.get(WITNESS.format(installation=installation))
                if kept is not None:
                    yield kept
        with contextlib.suppress(OSError):
            yield (self._folder / f"{installation}.json").read_text("utf-8")

    def _keep(self, path: Path, text: str) -> None:
        """Replace the file in one step. Several processes may do so at once: each has a file of its own until then."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)


def _understood(texts: Iterable[str | bytes]) -> Iterable[Remembered]:
    for text in texts:
        try:
            f = json.loads(text)
            at = Standing(
                int(f["epoch"]), int(f["beat"]), datetime.fromisoformat(f["at"]), str(f["lives_at"]), int(f["written"])
            )
            since = f["derived_since"] and datetime.fromisoformat(f["derived_since"])
            yield Remembered(at, f["fingerprint"], since)
        except (ValueError, KeyError, TypeError):
            log.warning("what a witness of the database remembers can't be read; it is passed over")

"""The row about the store itself: which database this is, how far it has come, whether it is held.

A database that comes back older than the world has forgotten payments that were sent. Then the store is *held*: no
claim, check, follow-up, acceptance, relay, job or decision, until `settlepipe recover`.
"""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.domain.standing import Standing

_SQL = statements(__file__)

_NOTHING = Standing(0, 0, datetime.min.replace(tzinfo=UTC), "", 0)
# The part of a statement's conditions that is true while the flow may go on; `Seen.given` are its parameters.
OPEN = "store_open(%(seen_epoch)s, %(seen_beat)s, %(seen_lives_at)s, %(seen_written)s)"
# Which losses of time the database knows of: its epoch, which grows with each recovery (also where it went back behind
# an earlier one), and how many windows it has opened. What a claim's number names is sure while that stays as it was
# (STILL): a number that was forgotten is given again.
LOST_TIMES = "(SELECT epoch || '/' || (SELECT count(*) FROM lost_times) FROM store)"
STILL = f"{LOST_TIMES} = %(lost_times)s"
_REQUIRED = f"SELECT {OPEN} AS open, looked.* FROM ({_SQL['look']}) AS looked"


class HeldError(psycopg.OperationalError):
    """The store is held, or has to be judged: nothing may be accepted or decided now. The message is a sentence."""


class Seen:
    """The highest standing that this process saw of its database. Thread-safe."""

    def __init__(self) -> None:
        self._lock, self._highest = threading.Lock(), _NOTHING

    @property
    def highest(self) -> Standing | None:
        """None: nothing was seen yet."""
        return None if self._highest is _NOTHING else self._highest

    def saw(self, standing: Standing) -> None:
        """Remember it, if it is higher."""
        with self._lock:
            if (*standing.order, standing.written) > (*self._highest.order, self._highest.written):
                self._highest = standing

    def given(self) -> dict[str, Any]:
        """The parameters of OPEN."""
        at = self._highest
        return {
            "seen_epoch": at.epoch,
            "seen_beat": at.beat,
            "seen_lives_at": at.lives_at,
            "seen_written": at.written,
        }


@dataclass(frozen=True, slots=True)
class Store:
    """The row as it is now, and where the server that answered is.

    installation: None until somebody adopted it. fingerprint: of the key that references are made with, since
    `derived_since`; None: none was made yet. held_at, held_reason: None while it is not held.
    """

    recorded: Standing
    here: Standing
    installation: str | None
    fingerprint: str | None
    derived_since: datetime | None
    held_at: datetime | None
    held_reason: str | None

    @property
    def told(self) -> str:
        """That it is held, and what to do, in a sentence."""
        return (
            f"the store is held: {self.held_reason}. Nothing is accepted or sent until you have looked and run"
            " `settlepipe recover --by NAME`"
        )


def look(connection: Connection, *, lock: bool = False) -> Store:
    """Read the row. lock: until the transaction ends."""
    row = connection.execute(_SQL["look"] + (" FOR UPDATE" if lock else "")).fetchone()
    assert row is not None  # noqa: S101 - the migrations put it there
    return _store(row)


def _store(row: Row) -> Store:
    lives_at = row["lives_at"] or row["here"]
    epoch, beat, at, written = row["epoch"], row["beat"], row["beat_at"], row["written"]
    return Store(
        recorded=Standing(epoch, beat, at, lives_at, written),
        here=Standing(epoch, beat, at, row["here"], written),
        installation=row["installation"],
        fingerprint=row["key_fingerprint"],
        derived_since=row["derived_since"],
        held_at=row["held_at"],
        held_reason=row["held_reason"],
    )


def adopt(connection: Connection) -> None:
    """A database that no process has looked at yet begins here. Safe to repeat."""
    connection.execute(_SQL["adopt"])


def beat(connection: Connection, every_s: float) -> None:
    """One beat more, if the last one is that old. The caller has locked the row and judged it."""
    connection.execute(_SQL["beat"], {"every_s": every_s})


def hold(connection: Connection, reason: str) -> bool:
    """Hold the store. False when it was held already."""
    return connection.execute(_SQL["hold"], {"reason": reason}).fetchone() is not None


def derives(connection: Connection, known: str | None, fingerprint: str) -> None:
    """References are made with this key, from now on at the latest. Raises HeldError where another one is known.

    known: the fingerprint as it was read in this transaction.
    """
    if known is None:
        connection.execute(_SQL["derives"], {"fingerprint": fingerprint})
        known = look(connection).fingerprint
    if known != fingerprint:
        raise HeldError("SETTLEPIPE_REFERENCE_KEY is not the key that this database's references were made with")


def is_open(connection: Connection, seen: Seen) -> bool:
    """May the flow go on?"""
    row = connection.execute(f"SELECT {OPEN} AS open", seen.given()).fetchone()
    return bool(row and row["open"])


def require(connection: Connection, seen: Seen) -> Store:
    """The row, which this process has seen from now on. Raises HeldError where the flow may not go on."""
    row = connection.execute(_REQUIRED, seen.given()).fetchone()
    assert row is not None  # noqa: S101 - the migrations put it there
    found = _store(row)
    if not row["open"]:
        raise HeldError(found.told if found.held_at else "it is being found out whether the database lost time")
    seen.saw(found.here)
    return found

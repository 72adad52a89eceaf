"""What was sent of each alert, by each way: a lease for sending, and what was told last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.alerts.words import Word
from shared.database import foreign
from shared.database.engine import Connection
from shared.database.statements import statements

_SQL = statements(__file__)
MOST = 100  # told at once


@dataclass(frozen=True, slots=True)
class Taken:
    """One that is ours to tell until its lease ends. tries: since something was told last, this one included."""

    word: Word
    attempts: int
    tries: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What was taken, and the database's clock then."""

    taken: Sequence[Taken]
    now: datetime


def take(
    connection: Connection, way: str, *, repeat_s: float | None, again_s: float, lease_s: float, only: str | None = None
) -> Batch | None:
    """What is to be told next by this way, the oldest first; None: nothing.

    repeat_s: what stands is told anew after so long; None: only when there is more of it, after `again_s`.
    only: nothing but the alert of this name.
    """
    given = {"way": way, "repeat_s": repeat_s, "again_s": again_s, "lease_s": lease_s, "limit": MOST, "only": only}
    rows = connection.execute(_SQL["take"], given).fetchall()
    if not rows:
        return None
    words = (
        Word(
            id=row["id"],
            name=row["name"],
            subject=row["subject"],
            figures=row["figures"],
            raised_at=row["raised_at"],
            cleared_at=row["cleared_at"],
            again=row["again"],
        )
        for row in rows
    )
    return Batch(
        [Taken(word, row["attempts"], row["tries"]) for word, row in zip(words, rows, strict=True)], rows[0]["now"]
    )


def told(connection: Connection, way: str, taken: Sequence[Taken], failure: str | None = None) -> None:
    """These were told. failure: they were given up, for this reason."""
    given = _of(way, taken, failure)
    given["ended"] = [one.word.cleared_at is not None for one in taken]
    given["numbers"] = [one.word.number for one in taken]
    connection.execute(_SQL["told"], given)


def failed(
    connection: Connection,
    way: str,
    taken: Sequence[Taken],
    *,
    waits_s: Sequence[float],
    failure: str,
    give_up_s: float,
) -> Sequence[Taken]:
    """These could not be told, and are tried again after their wait; those that have been tried for too long."""
    given = _of(way, taken, failure) | {"waits_s": list(waits_s), "give_up_s": give_up_s}
    over = {row["alert_id"] for row in connection.execute(_SQL["failed"], given).fetchall() if row["over"]}
    return [one for one in taken if one.word.id in over]


def _of(way: str, taken: Sequence[Taken], failure: str | None) -> dict[str, object]:
    ids, attempts = [one.word.id for one in taken], [one.attempts for one in taken]
    return {"way": way, "ids": ids, "attempts": attempts, "failure": foreign.text(failure)}

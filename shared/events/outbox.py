"""The outbox: which events, written with the steps they tell of, the relay has to carry to the stream."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.events.types import EventType, literal, written

_SQL = statements(__file__)


_MARKED = 100
PAGE = 10_000  # events looked at in one statement while a replay's beginning is looked for


@dataclass(frozen=True, slots=True)
class Turn:
    """A relay's turn: number fences what it notes. entry_id: the stream's entry that was noted last, or None."""

    number: int
    entry_id: str | None


_TOLD = written(
    payment="p.id",
    id="p.id || '-' || p.event_seq",
    type=literal(EventType.PAYMENT_DISPUTED),
    subject="p.source || '/' || p.intent_id",
    data="payment_row(ROW(p.*)::payments)",
    rows="FROM p ORDER BY p.id",
)

_DISPUTED = f"""
WITH p AS (
    UPDATE payments SET event_seq = event_seq + 1 WHERE id = ANY(%(ids)s) RETURNING payments.*
)
{_TOLD}"""


def begin(connection: Connection, number: int) -> Turn | None:
    """Take the relay's turn: whoever had it before under a lower number can note nothing more. None: under a higher
    one somebody else has it. number: of the caller's lease."""
    row = connection.execute(_SQL["begin"], {"turn": number}).fetchone()
    return None if row is None else Turn(row["turn"], row["entry_id"])


def newest_turn(connection: Connection) -> int:
    """The number of the last turn that was taken; 0 before the first."""
    row = connection.execute("SELECT turn FROM relay_position").fetchone()
    return row["turn"] if row else 0


def pending(connection: Connection, limit: int) -> list[Row]:
    """The oldest events that are to be written next, a replay's among them; of one payment always in order."""
    return connection.execute(_SQL["pending"], {"limit": limit}).fetchall()


def carried(connection: Connection, batch: Sequence[Row], entry_id: str, turn: int | None = None) -> bool:
    """These (of `pending`) are on the stream now, the last one as `entry_id`. False, and nothing is noted, when `turn`
    is over. What was asked for again since they were read stays pending."""
    ids = [event["id"] for event in batch]
    given = {"ids": ids, "asked": [event["asked"] for event in batch], "next": max(ids) + 1}
    given |= {"entry_id": entry_id, "turn": turn, "replay": batch[0]["replay"]}
    return connection.execute(_SQL["carried"], given).fetchone() is not None


def end_replay(connection: Connection, turn: int) -> None:
    """Nothing is left to be written: the active replay, if there is one, is over."""
    row = connection.execute(_SQL["left"]).fetchone()
    if row is not None and (row["id"] is None or row["id"] > row["replay_last"]):
        connection.execute(_SQL["end_replay"], {"replay": row["replay"], "turn": turn})


def position(connection: Connection) -> str | None:
    """The stream's entry that was noted last, or None when there was none."""
    row = connection.execute("SELECT entry_id FROM relay_position").fetchone()
    return row["entry_id"] if row else None


def replay(connection: Connection, since: datetime) -> int:
    """Have everything since then put on the stream again, but for the archive's; how many events that is.

    Only the wish is kept: the relay writes them, a batch at a time, and goes on where it was when it was killed. One
    that is active already begins earlier, or ends later, so that it covers both.
    """
    return _ask(connection, since, lambda: None)


def replay_wiped(connection: Connection, turn: int, seconds: float, still_here: Callable[[], object]) -> int:
    """The stream was wiped: have the last `seconds` written again, an active replay from its beginning, as `replay`.

    still_here: called again and again, for this may take seconds.
    """
    row = connection.execute("SELECT clock() - make_interval(secs => %s) AS since", (seconds,)).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM always has a row
    return _ask(connection, row["since"], still_here, turn)


def _ask(connection: Connection, since: datetime, still_here: Callable[[], object], turn: int | None = None) -> int:
    """Walk back from the newest event until a whole page is older: ids and times grow together, but for what was in
    one another's way for a moment, and an index on the time would cost each payment something."""
    first: int | None = None
    last: int | None = None
    count, before = 0, 2**63 - 1
    while True:
        page = connection.execute(_SQL["page_back"], {"since": since, "before": before, "limit": PAGE}).fetchone()
        assert page is not None  # noqa: S101 - an aggregate always has a row
        still_here()
        last = last if last is not None else page["highest"]
        first = page["first"] if page["first"] is not None else first
        count += int(page["n"])
        if page["n"] == 0:
            break
        before = page["lowest"]
    if first is None and turn is None:
        return 0
    given = {"first": first or 2**62, "last": last or 0, "wiped": turn is not None, "turn": turn}
    connection.execute(_SQL["replay"], given)
    connection.execute(_SQL["mark_first"], given | {"limit": _MARKED})
    return count


def archived_since(connection: Connection, since: datetime) -> bool:
    """Does the archive hold events since then? Those are not replayed."""
    statement = "SELECT EXISTS (SELECT FROM archive.events WHERE created_at >= %s) AS found"
    row = connection.execute(statement, (since,)).fetchone()
    return bool(row and row["found"])


def disputed(connection: Connection, payment_ids: Sequence[int]) -> None:
    """Late evidence contradicts the final states of these payments: tell upstream. The states stay."""
    connection.execute(_DISPUTED, {"ids": list(payment_ids)})

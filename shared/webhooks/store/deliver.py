"""What a delivery reads and notes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shared.database import foreign
from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.domain.webhooks import ILL_AFTER, Waiting

_SQL = statements(__file__)


@dataclass(frozen=True, slots=True)
class Hook:
    """One that may be delivered to now. replay: behind which event a replay goes on, and its last one; None: there is
    none."""

    number: int
    source: str
    url: str
    position: int
    replay: tuple[int, int] | None
    failures: int


@dataclass(frozen=True, slots=True)
class Due:
    """One that may be delivered to, as far as its time says. waits: something may go out that was put aside, or is
    asked for again. full: so much was put aside that nothing new is read."""

    number: int
    source: str
    position: int
    waits: bool
    full: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that failed, and how long it waits. tries: how many that were; 0 where the receiver asked for time."""

    event: int
    tries: int
    wait_s: float
    said: str


@dataclass(frozen=True, slots=True)
class Note:
    """What a batch came to. aside: (event, subject) of what waits from now on. gone: events that went to the archive.
    tried: something was sent. wait_s: of the whole webhook; None: it goes on. recovered: what failed is due at once."""

    delivered: Sequence[int]
    gone: Sequence[int]
    failed: Sequence[Failure]
    aside: Sequence[tuple[int, str]]
    position: int
    replay: tuple[int, int] | None
    failures: int
    said: str | None
    tried: bool
    wait_s: float | None
    recovered: bool


def due(connection: Connection, cap_s: float, most_aside: int, but: Collection[int] = ()) -> list[Due]:
    """Those that may be delivered to now, without these. cap_s: the longest wait there is."""
    given = {"cap_s": cap_s, "ill": ILL_AFTER, "most": most_aside, "but": list(but)}
    rows = connection.execute(_SQL["due"], given).fetchall()
    return [Due(row["id"], row["source"], row["position"], row["waits"], row["is_full"]) for row in rows]


def enabled(connection: Connection, numbers: Collection[int]) -> set[int]:
    """Those of them that nobody disabled or removed."""
    return {row["id"] for row in connection.execute(_SQL["enabled"], {"ids": list(numbers)}).fetchall()}


def hook(connection: Connection, number: int, cap_s: float) -> Hook | None:
    """None: it may not be delivered to (any more)."""
    row = connection.execute(_SQL["hook"], {"id": number, "cap_s": cap_s}).fetchone()
    if row is None:
        return None
    replay = None if row["replay_next"] is None else (row["replay_next"], row["replay_last"])
    return Hook(row["id"], row["source"], row["url"], row["position"], replay, row["failures"])


def secrets(connection: Connection, number: int) -> list[bytes]:
    """Those that sign now, the newest first."""
    return [bytes(row["secret"]) for row in connection.execute(_SQL["secrets"], {"id": number}).fetchall()]


def waiting(connection: Connection, number: int, cap_s: float) -> list[Waiting]:
    """Its events that were put aside, in their order."""
    rows = connection.execute(_SQL["waiting"], {"id": number, "cap_s": cap_s}).fetchall()
    return [Waiting(r["event"], r["subject"], r["tries"], r["due"], r["next_s"] or 0.0) for r in rows]


def events(connection: Connection, ids: Sequence[int]) -> dict[int, Row]:
    """Those of them that are still here."""
    return {row["id"]: row for row in connection.execute(_SQL["events"], {"ids": list(ids)}).fetchall()}


def note(connection: Connection, hook: Hook, what: Note, give_up_s: float) -> bool:
    """What a batch came to; False: the webhook is no more, or somebody disabled it: what was delivered is noted even
    so. Given up where an event has failed for too long. In the caller's transaction."""
    found = connection.execute(_SQL["locked"], {"id": hook.number}).fetchone()
    if found is None:
        return False
    given: dict[str, object] = {"id": hook.number}
    anew = found["failures"] != hook.failures  # a person enabled it meanwhile: it goes on at once
    connection.execute(_SQL["forget"], given | {"events": [*what.delivered, *what.gone]})
    aside = {"events": [event for event, _ in what.aside], "subjects": [subject for _, subject in what.aside]}
    connection.execute(_SQL["put_aside"], given | aside)
    if what.failed:
        failed = {
            "events": [one.event for one in what.failed],
            "tries": [one.tries for one in what.failed],
            "waits_s": [0.0 if anew else one.wait_s for one in what.failed],
            "failures": [foreign.text(one.said) for one in what.failed],
        }
        connection.execute(_SQL["failed"], given | failed)
    if what.recovered:
        connection.execute(_SQL["all_due"], given)
    was, then = hook.replay, what.replay
    noted = {
        "position": what.position,
        "replay_was": was[0] if was else None,
        "replay_end": was[1] if was else None,
        "replay_next": then[0] if then else None,
        "delivered": len(what.delivered),
        "failures": found["failures"] if anew else what.failures,
        "failure": foreign.text(what.said),
        "tried": what.tried,
        "wait_s": None if anew else what.wait_s,
    }
    connection.execute(_SQL["noted"], given | noted)
    if what.failed:
        row = connection.execute(_SQL["over"], given | {"give_up_s": give_up_s}).fetchone()
        if row and row["over"]:
            give_up(connection, hook.number, f"an event could not be delivered for too long; last: {what.said}")
            return False
    return found["disabled_at"] is None


def give_up(connection: Connection, number: int, reason: str) -> None:
    """Disabled by itself, until a person enables it."""
    connection.execute(_SQL["give_up"], {"id": number, "reason": foreign.text(reason)})

"""What the database says of lanes, relay and store in one row or a few: read for each scrape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared import lanes
from shared.database import leases, locks
from shared.database.engine import Connection
from shared.database.statements import statements
from shared.webhooks import views
from shared.webhooks.views import Standing as Webhook

_SQL = statements(__file__)


@dataclass(frozen=True, slots=True)
class LaneStanding:
    """A lane. stopped_s: 0 while it runs. rate_tokens: None where it has no rate. workers: processes whose sign of life
    is there. follow_ups_due: the dispatcher may take them now."""

    provider: str
    paused: bool
    halted: bool
    open: bool
    failures: int
    stopped_s: float
    rate_tokens: float | None
    workers: int
    follow_ups_due: int


@dataclass(frozen=True, slots=True)
class Standing:
    """As of one moment. beat_s: since a dispatcher last judged the database. oldest_event_s: of those that are to be
    relayed; 0 where there is none."""

    epoch: int
    held: bool
    beat_s: float
    lanes: Sequence[LaneStanding]
    relay_active: bool
    oldest_event_s: float
    webhooks: Sequence[Webhook] = ()


def standing(connection: Connection, rates: Mapping[str, float | None]) -> Standing:
    """How these lanes stand, and all else. rates: of each lane, in payments a second; None: without. Belongs into a
    `snapshot`; takes milliseconds."""
    store = connection.execute(_SQL["store"]).fetchone()
    assert store is not None  # noqa: S101 - the migrations put it there
    oldest = connection.execute(_SQL["oldest_event"]).fetchone()
    return Standing(
        epoch=store["epoch"],
        held=store["held"],
        beat_s=max(0.0, store["beat_s"]),
        lanes=_lanes(connection, rates),
        relay_active=leases.live(connection, locks.RELAY),
        oldest_event_s=max(0.0, oldest["oldest_s"]) if oldest else 0.0,
        webhooks=views.standing(connection),
    )


def _lanes(connection: Connection, rates: Mapping[str, float | None]) -> list[LaneStanding]:
    given = {"lanes": list(rates)}
    rows = connection.execute(_SQL["lanes"], given).fetchall()
    due = {row["provider"]: row["due"] for row in connection.execute(_SQL["follow_ups"], given).fetchall()}
    workers = _workers(connection)
    return [
        LaneStanding(
            **row,
            rate_tokens=None if rate is None else lanes.tokens(connection, row["provider"], rate),
            workers=workers.get(row["provider"], 0),
            follow_ups_due=due.get(row["provider"], 0),
        )
        for row in rows
        for rate in (rates[row["provider"]],)
    ]


def _workers(connection: Connection) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in connection.execute(_SQL["workers"], {"prefix": locks.LIFE}).fetchall():
        for lane in row["session"].removeprefix(locks.LIFE).split():
            found[lane] = found.get(lane, 0) + int(row["workers"])
    return found

"""When a job is meant to run: its slots, in the provider's own time zone. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Daily:
    """Once a day at this wall-clock time of `zone` (an IANA name); in a gap of summer time, when the gap ends."""

    at: time
    zone: str = "UTC"

    def __str__(self) -> str:
        return f"daily {self.at:%H:%M} {self.zone}"


@dataclass(frozen=True, slots=True)
class Every:
    """Every `period_s` seconds, counted from 1970."""

    period_s: int

    def __str__(self) -> str:
        minutes, seconds = divmod(self.period_s, 60)
        return f"every {self.period_s} s" if seconds else f"every {minutes} min"


When = Daily | Every


def latest(when: When, now: datetime) -> datetime:
    """The newest slot that is not after `now` (aware). In UTC."""
    return next(_backwards(when, now))


def following(when: When, after: datetime) -> datetime:
    """The first slot after `after` (aware). In UTC."""
    if isinstance(when, Every):
        return latest(when, after) + timedelta(seconds=when.period_s)
    day = after.astimezone(ZoneInfo(when.zone)).date() - timedelta(days=1)
    while (slot := _on(when, day)) <= after:
        day += timedelta(days=1)
    return slot


def between(when: When, after: datetime, until: datetime, limit: int) -> list[datetime]:
    """The slots after `after` and not after `until`, oldest first; the newest `limit` of them. In UTC."""
    found: list[datetime] = []
    for slot in _backwards(when, until):
        if slot <= after or len(found) == limit:
            break
        found.append(slot)
    return found[::-1]


def _backwards(when: When, until: datetime) -> Iterator[datetime]:
    if isinstance(when, Every):
        period = timedelta(seconds=when.period_s)
        slot = _EPOCH + (until - _EPOCH) // period * period
        while True:
            yield slot
            slot -= period
    day = until.astimezone(ZoneInfo(when.zone)).date() + timedelta(days=1)
    while True:
        if (slot := _on(when, day)) <= until:
            yield slot
        day -= timedelta(days=1)


def _on(when: Daily, day: date) -> datetime:
    return datetime.combine(day, when.at, ZoneInfo(when.zone)).astimezone(UTC)

"""The last day as bars, for inline SVG: where each bar stands. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.metrics.read import Hour

WIDTH, HEIGHT, BASE, LEFT, RIGHT = 720, 190, 160, 52, 12
KINDS = ("succeeded", "refused", "cancelled", "parked")  # from the ground up
_TOP = 14


@dataclass(frozen=True, slots=True)
class Rect:
    """A part of a bar. kind: what it is, for its colour."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """An hour. hour: None where it was not counted."""

    begins: datetime
    hour: Hour | None
    x: float
    width: float
    rects: Sequence[Rect]


@dataclass(frozen=True, slots=True)
class Chart:
    """ticks: (y, what it stands for), from the ground up."""

    bars: Sequence[Bar]
    ticks: Sequence[tuple[float, int]]
    most: int


def outcomes(hours: Sequence[tuple[datetime, Hour | None]]) -> Chart:
    """How payments ended, and how many were parked, hour by hour."""
    return _chart(hours, KINDS)


def accepted(hours: Sequence[tuple[datetime, Hour | None]]) -> Chart:
    """How many were accepted."""
    return _chart(hours, ("accepted",))


def _chart(hours: Sequence[tuple[datetime, Hour | None]], kinds: Sequence[str]) -> Chart:
    most = _round_up(max((sum(getattr(hour, kind) for kind in kinds) for _, hour in hours if hour), default=0))
    slot = (WIDTH - LEFT - RIGHT) / max(len(hours), 1)
    bars = []
    for place, (begins, hour) in enumerate(hours):
        x, width, y = LEFT + place * slot + slot * 0.12, slot * 0.76, float(BASE)
        rects = []
        for kind in kinds if hour else ():
            height = getattr(hour, kind) / most * (BASE - _TOP)
            if height > 0:
                height = max(height, 1.5)
                y -= height
                rects.append(Rect(kind, round(x, 1), round(y, 1), round(width, 1), round(height, 1)))
        bars.append(Bar(begins, hour, round(x, 1), round(width, 1), rects))
    ticks = [(round(BASE - part * (BASE - _TOP), 1), round(most * part)) for part in (0, 0.5, 1)]
    return Chart(bars, ticks, most)


def _round_up(count: int) -> int:
    """The next of 2, 4, 10, 20, 40, 100, …"""
    step = 1
    while True:
        for times in (2, 4, 10):
            if count <= times * step:
                return times * step
        step *= 10

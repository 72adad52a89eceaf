"""The geometry of the charts: numbers in, lengths out. Pure; the templates draw them.

Bars that stand in tables are drawn 100 units wide and stretched, so that their words stay words. Anything above zero
stays visible, however small it is beside the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HEIGHT, WIDTH, LEFT, BOTTOM, TOP = 220.0, 960.0, 56.0, 26.0, 8.0  # of the chart of the day
_LEAST = 0.6  # units of a bar
_LEAST_HEIGHT = 2.0
_GAP = 0.22  # of a column's width


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar or column. kind: what it is of. x, y, width, height: where it is."""

    kind: str
    count: int
    x: float
    width: float
    y: float = 0.0
    height: float = 0.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the scale."""

    count: int
    y: float


@dataclass(frozen=True, slots=True)
class Day:
    """The columns of a day: parts by hour, the scale, the left edge of each hour and how wide it is."""

    columns: Sequence[Sequence[Part]]
    ticks: Sequence[Tick]
    edges: Sequence[float]
    step: float


def bar(counts: Mapping[str, int], whole: int) -> list[Part]:
    """Pieces side by side; `whole` is 100 units wide."""
    parts: list[Part] = []
    widths = [max(_LEAST, 100 * count / whole) if count else 0.0 for count in counts.values()]
    excess = max(0.0, sum(widths) - 100)
    widest = max(range(len(widths)), key=widths.__getitem__, default=0)
    x = 0.0
    for place, (kind, count) in enumerate(counts.items()):
        width = widths[place] - (excess if place == widest else 0.0)
        if count:
            parts.append(Part(kind, count, round(x, 2), round(width, 2)))
        x += width
    return parts


def length(value: int, largest: int) -> float:
    """How long the bar of an amount is, whatever its sign, when that of the largest is 100."""
    return round(max(_LEAST, 100 * abs(value) / largest), 2) if value and largest else 0.0


def day(hours: Sequence[Mapping[str, int]]) -> Day:
    """Columns of pieces, from the bottom up in the order of each mapping."""
    top = max((sum(hour.values()) for hour in hours), default=0)
    ticks = _scale(top)
    step = (WIDTH - LEFT) / max(len(hours), 1)
    columns = []
    for number, hour in enumerate(hours):
        y, parts = HEIGHT - BOTTOM, []
        for kind, count in hour.items():
            if count:
                tall = max(_LEAST_HEIGHT, _tall(count, ticks[-1]))
                y -= tall
                x = LEFT + step * (number + _GAP / 2)
                parts.append(Part(kind, count, round(x, 2), round(step * (1 - _GAP), 2), round(y, 2), round(tall, 2)))
        columns.append(parts)
    marks = [Tick(tick, round(HEIGHT - BOTTOM - _tall(tick, ticks[-1]), 2)) for tick in ticks]
    return Day(columns, marks, [round(LEFT + step * number, 2) for number in range(len(hours))], round(step, 2))


def _tall(count: int, top: int) -> float:
    return (HEIGHT - BOTTOM - TOP) * count / top


def _scale(top: int) -> list[int]:
    """Round numbers from 0 to at least `top`, four steps or fewer."""
    unit = 1
    while True:
        for factor in (1, 2, 5):
            step = unit * factor
            if step * 4 >= top:
                return list(range(0, step * max(1, -(-top // step)) + 1, step))
        unit *= 10

"""Which days a statement is about. Pure."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

_LENGTHS = {"month": 1, "quarter": 3, "year": 12}
_FORMS = {
    "month": (re.compile(r"(\d{4})-(\d{2})"), "2026-11"),
    "quarter": (re.compile(r"(\d{4})-Q([1-4])"), "2026-Q4"),
    "year": (re.compile(r"(\d{4})"), "2026"),
}


@dataclass(frozen=True, slots=True)
class Span:
    """name: as it was asked for, 2026-11 or 2026-Q4 or 2026. end: the day after its last one."""

    name: str
    first: date
    end: date

    @property
    def last(self) -> date:
        """Its last day."""
        return self.end - timedelta(days=1)


def span(kind: str, text: str) -> Span:
    """The days of a `month`, `quarter` or `year`. Raises ValueError with what is meant."""
    form, example = _FORMS[kind]
    found = form.fullmatch(text)
    length = _LENGTHS[kind]
    month = (int(found[2]) - 1) * length if found and kind != "year" else 0
    if found is None or not 0 <= month <= 11 or not 1 <= int(found[1]) <= 9998:
        raise ValueError(f"{text!r} is no {kind}; write it like {example}")
    year, after = int(found[1]), month + length
    return Span(text, date(year, month + 1, 1), date(year + after // 12, after % 12 + 1, 1))

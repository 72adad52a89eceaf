"""Which days a statement is about."""

from datetime import date

import pytest

from shared.reconciliation.statement.period import span


@pytest.mark.parametrize(
    ("kind", "text", "first", "last"),
    [
        ("month", "2026-11", date(2026, 11, 1), date(2026, 11, 30)),
        ("month", "2026-12", date(2026, 12, 1), date(2026, 12, 31)),
        ("month", "2028-02", date(2028, 2, 1), date(2028, 2, 29)),
        ("quarter", "2026-Q1", date(2026, 1, 1), date(2026, 3, 31)),
        ("quarter", "2026-Q4", date(2026, 10, 1), date(2026, 12, 31)),
        ("year", "2026", date(2026, 1, 1), date(2026, 12, 31)),
    ],
)
def test_a_period_is_from_its_first_day_to_its_last(kind: str, text: str, first: date, last: date) -> None:
    found = span(kind, text)
    assert (found.name, found.first, found.last) == (text, first, last)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("month", "2026-13"),
        ("month", "2026-00"),
        ("month", "2026-1"),
        ("quarter", "2026-Q5"),
        ("year", "26"),
        ("year", ""),
    ],
)
def test_what_is_no_period_is_refused_with_what_is_meant(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"is no {kind}; write it like 2026"):
        span(kind, text)

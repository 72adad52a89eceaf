"""What a statement counts: each thing once, in the period that it belongs to."""

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest

from shared.reconciliation import discrepancies, report
from shared.reconciliation.statement.gathered import Statement, gather
from shared.reconciliation.statement.period import Span
from tests.support.flow import World
from tests.support.nights import Night


@pytest.fixture
def night(world: World) -> Night:
    return Night(world)


def stated(night: Night, first: date, days: int = 1) -> Statement:
    """The statement of so many days."""
    end = first + timedelta(days=days)
    with night.world.runtime.database.transaction() as connection:
        return gather(connection, night.world.runtime.registrations[night.provider], Span("some", first, end), end)


def moved(statement: Statement) -> list[tuple[int, int, int, int]]:
    """Opening, new, closed, open, a currency each."""
    return [(m.opening, m.fresh, m.closed, m.open) for m in statement.moves]


def close(night: Night) -> None:
    """A person closes the only discrepancy there is."""
    (row,) = night.world.rows("SELECT id FROM discrepancies")
    discrepancies.close(night.world.runtime.database, row["id"], reason="looked into", by="Nomin")


def carried(night: Night, folder: Path) -> list[str]:
    """How carried.csv of the last night says its discrepancies are."""
    report.write(night.world.runtime, night.runs[-1], folder, "en")
    with (folder / "carried.csv").open(encoding="utf-8-sig", newline="") as file:
        return [row["now"] for row in csv.DictReader(file)]


def test_what_a_person_closed_is_told_as_closed_once_though_it_stays_in_scope(night: Night, tmp_path: Path) -> None:
    first = night.day.date()
    night.payment("7", 100, "parked")
    night.compare(accounts=["7"])
    close(night)
    told = []
    for _ in range(3):
        night.next()
        outcome = night.compare(accounts=["7"])
        assert outcome.identities, "it is found every night"
        told.append(carried(night, tmp_path))
    assert told == [["closed"], [], []]
    assert [day.closed for day in stated(night, first, 4).days] == [0, 1, 0, 0]
    assert moved(stated(night, first, 2)) == [(0, 1, 1, 0)]
    closing = stated(night, first + timedelta(days=1), 3)
    assert moved(closing) == [(1, 0, 1, 0)]
    assert [item.closed_on for item in closing.items] == [first + timedelta(days=1)]
    later = stated(night, first + timedelta(days=2), 2)
    assert (later.moves, later.items) == ([], [])


def test_what_a_person_closed_and_is_open_again_with_other_figures_is_closed_twice(night: Night) -> None:
    first = night.day.date()
    ours = night.payment("7", 100)
    for amount in (90, 80):
        night.compare(night.line("7", amount, ours))
        close(night)
        night.next()
        night.compare(night.line("7", amount, ours), accounts=["7"])
        night.next()
    assert [(day.closed, day.open) for day in stated(night, first, 4).days] == [(0, 1), (1, 0), (0, 1), (1, 0)]
    assert moved(stated(night, first + timedelta(days=2), 2)) == [(0, 1, 1, 0)]


def test_what_is_compared_again_tells_what_it_closed_as_before(night: Night) -> None:
    first = night.day.date()
    night.payment("7", 100, "parked")
    night.compare(accounts=["7"])
    close(night)
    night.next()
    run = night.read(accounts=["7"])
    for _ in range(2):
        night.carry_on(run)
        assert [day.closed for day in stated(night, first, 2).days] == [0, 1]


def test_a_night_that_is_compared_again_after_a_closing_tells_of_it_and_the_next_one_does_not(night: Night) -> None:
    first = night.day.date()
    night.payment("7", 100, "parked")
    run = night.read(accounts=["7"])
    night.carry_on(run)
    close(night)
    night.carry_on(run)
    night.next()
    night.compare(accounts=["7"])
    assert [(day.closed, day.open) for day in stated(night, first, 2).days] == [(1, 0), (0, 0)]
    assert moved(stated(night, first)) == [(0, 1, 1, 0)]
    assert moved(stated(night, first + timedelta(days=1))) == []

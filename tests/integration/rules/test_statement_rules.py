"""What a statement counts: each thing once, in the period that it belongs to."""

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest

from shared.domain.discrepancies import Reconciliation
from shared.reconciliation import discrepancies, report
from shared.reconciliation.statement.gathered import Statement, gather
from shared.reconciliation.statement.period import Span
from shared.reconciliation.statement.write import Nothing, write
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


def of_the_release_before(night: Night) -> None:
    """The nights so far are as the release before left them: it kept nothing of a day alone nor of what it told, and
    its totals are of all that it looked at."""
    for table in ("day_sums", "carried_entries", "told_discrepancies"):
        night.world.execute(f"DELETE FROM {table}")
    night.world.execute("UPDATE findings SET of_day = NULL")
    night.world.execute(
        """UPDATE reconciliations r SET state = 'done', finished_at = clock(), carried_at = NULL, carried = NULL,
            hours = NULL, divided = false, totals = (SELECT jsonb_agg(t) FROM (
                SELECT category, currency, count(*) AS count, sum(local_minor) AS local_minor,
                    sum(provider_minor) AS provider_minor
                FROM reconciled_payments WHERE run_id = r.id GROUP BY 1, 2) t)"""
    )


def ours(statement: Statement) -> int:
    """The days' own sum of our books, in whole units."""
    return sum(one.local_minor for one in statement.sums) // 100


def upgraded(night: Night) -> tuple[list[Reconciliation], date]:
    """Two nights of the release before, with one payment that is missing on both, and one of this release's, with that
    one and another: the old ones, and the day of the new one."""
    night.payment("7", 100)
    night.compare(accounts=["7"])
    night.next()
    night.compare(accounts=["7"])
    of_the_release_before(night)
    old = list(night.runs)
    night.next()
    night.payment("7", 30)
    night.compare(accounts=["7"])
    return old, night.day.date()


def test_what_arose_before_the_first_night_that_was_told_was_open_before(night: Night) -> None:
    _old, day = upgraded(night)
    assert moved(stated(night, day)) == [(1, 1, 0, 2)]
    assert moved(stated(night, day - timedelta(days=2), 3)) == [(0, 2, 0, 2)]


def test_nights_of_a_release_that_kept_no_day_apart_are_left_out_also_when_they_are_told_again(night: Night) -> None:
    old, day = upgraded(night)
    first = day - timedelta(days=2)
    before = stated(night, first, 3)
    assert (ours(before), [one.day for one in before.days]) == (30, [day])
    assert before.older == before.missing == [run.day for run in old]
    for run in old:
        discrepancies.update(night.world.runtime, run)
    again = stated(night, first, 3)
    assert again == before
    assert moved(stated(night, day)) == [(1, 1, 0, 2)]


def test_an_old_night_that_is_compared_anew_is_in_its_statement(night: Night) -> None:
    old, day = upgraded(night)
    for run in (*old, night.runs[-1]):
        night.carry_on(run)
    whole = stated(night, day - timedelta(days=2), 3)
    assert (whole.older, whole.missing) == ([], [])
    assert [one.local_minor for one in whole.days if one.currency] == [100_00, 30_00]
    assert (moved(whole), moved(stated(night, day))) == ([(0, 2, 0, 2)], [(1, 1, 0, 2)])


def test_what_a_person_closed_before_the_upgrade_is_counted_by_no_night_after_it(night: Night) -> None:
    night.payment("7", 100, "parked")
    night.compare(accounts=["7"])
    close(night)
    night.next()
    night.compare(accounts=["7"])
    of_the_release_before(night)
    night.next()
    night.compare(accounts=["7"])
    statement = stated(night, night.day.date())
    assert (statement.moves, [day.closed for day in statement.days]) == ([], [0])


def test_a_statement_says_which_days_are_left_out(night: Night, tmp_path: Path) -> None:
    old, day = upgraded(night)
    known = night.world.runtime.registrations[night.provider]
    first = day - timedelta(days=2)
    told = write(night.world.runtime.database, known, Span("some", first, day + timedelta(days=1)), tmp_path)
    assert told["days_of_an_earlier_release"] == [run.day.isoformat() for run in old]
    assert "compared by an earlier release" in (tmp_path / "statement.html").read_text("utf-8")
    with pytest.raises(Nothing, match=f"reconcile {night.provider} --date {first} --again"):
        write(night.world.runtime.database, known, Span("some", first, day), tmp_path)

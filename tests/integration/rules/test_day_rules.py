"""A day's sums are of that day alone, what is older is carried forward, and what a night told stays as it was told."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from shared.payments.dispute import dispute_evidence
from shared.reconciliation import discrepancies, report
from shared.reconciliation.store import runs
from tests.support.alerts import raised
from tests.support.flow import World
from tests.support.nights import TOTALS, Night


@pytest.fixture
def night(world: World) -> Night:
    return Night(world)


def files(night: Night, run_id: int, folder: Path) -> dict[str, bytes]:
    """Every file of the run's report, written now."""
    with night.world.runtime.database.connection() as connection:
        run = runs.get(connection, run_id)
    report.write(night.world.runtime, run, folder, "en")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def reasons(night: Night) -> dict[str, str]:
    rows = night.world.rows("SELECT identity, resolved_reason FROM discrepancies WHERE resolved_at IS NOT NULL")
    return {row["identity"]: row["resolved_reason"] for row in rows}


def test_what_was_missing_and_came_is_no_part_of_the_day_it_came_on(night: Night) -> None:
    ours = night.payment("7", 100)
    assert night.compare(accounts=["7"]).totals == {"missing_at_provider": (1, 100, 0)}
    night.next()
    other = night.payment("7", 30)
    outcome = night.compare(night.line("7", 100, ours, at=night.at(-3)), night.line("7", 30, other))
    assert (outcome.totals, outcome.changed) == ({"matched": (1, 30, 30)}, (0, 100))


def test_a_payment_that_the_books_settled_counts_on_the_day_it_ended_and_is_taken_back_where_it_stood(
    night: Night,
) -> None:
    ours = night.payment("7", 100, "unknown")
    line = night.line("7", 100, ours)
    assert night.compare(line).totals == {"status_mismatch": (1, 0, 100)}
    night.next()
    outcome = night.compare(line)
    assert (outcome.totals, outcome.changed) == ({"matched": (1, 100, 100)}, (0, -100))


def test_an_entry_of_the_books_that_is_gone_is_taken_back_also_when_compared_again(night: Night) -> None:
    night.payment("7", 1, "unknown")
    night.compare(night.line("7", 20, "cash", reference="R-1"))
    night.next()
    run = night.read(accounts=["7"])
    for _ in range(2):
        outcome = night.carry_on(run)
        assert (outcome.totals, outcome.changed) == ({}, (0, -20))


def test_a_payment_that_was_left_out_as_unread_is_a_change_of_the_night_that_first_looks_at_it(night: Night) -> None:
    unread, counted = night.payment("7", 100), night.payment("8", 30)
    outcome = night.carry_on(night.read(night.line("8", 30, counted), missing="account 7 could not be read"))
    assert (outcome.run.unread, outcome.totals) == (1, {"matched": (1, 30, 30)})
    night.next()
    twice = night.line("8", 30, counted, at=night.at(-12)), night.line("8", 30, counted)
    late = night.line("7", 100, unread)
    outcome = night.compare(late, *twice)
    assert outcome.identities == [f"duplicate_at_provider:{counted}", f"late:{unread}"]
    assert (outcome.totals, outcome.changed) == ({"duplicate_at_provider": (1, 0, 30)}, (100, 100))
    night.next()
    assert night.compare(late, *twice).changed == (0, 0), "it is counted once"


def test_a_total_that_differs_less_changes_the_day_that_it_arose_on(night: Night) -> None:
    night = Night(night.world, TOTALS)
    night.payment("A", 70)
    assert night.compare(night.total("A", 100)).totals == {"matched": (1, 70, 70), "paid_elsewhere": (1, 0, 30)}
    night.next()
    outcome = night.compare(night.total("A", 95))
    assert (outcome.totals, outcome.changed) == ({}, (0, -5))


def test_a_night_that_is_made_up_for_has_nothing_of_what_arose_later(night: Night) -> None:
    night.payment("7", 5, hour=12)
    early = night.marker(1)
    world, first = night.world, night.day
    night.next()
    late = night.payment("7", 100)
    night.compare(night.line("7", 5, early, at=night.at(-12)), night.line("7", 9, "cash", reference="R-1"))
    assert night.open() == [f"missing_at_provider:{late}", "paid_elsewhere:careful:7:R-1"]
    lines = night.line("7", 5, early, at=night.at(-12)), night.line("7", 9, "cash", reference="R-1")
    outcome = _made_up(night, first.date(), *lines)
    assert outcome.totals == {"matched": (1, 5, 5)}
    assert (outcome.identities, outcome.changed) == ([], (0, 0))
    assert len(night.open()) == 2, "nor does it close any of that"
    told = world.rows("SELECT number FROM told_discrepancies WHERE run_id = %s", outcome.run.id)
    assert told == []


def _made_up(night: Night, day: date, *lines: Any) -> Any:
    """Compare a day long after it."""
    later = night.world.value("SELECT clock()")
    back = (night.day.date() - day).days
    run = night.read(*lines, back=back)
    assert run.started_at == later or run.started_at > later
    return night.carry_on(run)


def test_a_finding_that_becomes_another_continues_as_that_one(night: Night) -> None:
    ours = night.payment("7", 100, "unknown")
    night.compare(accounts=["7"])
    night.next()
    night.world.execute("UPDATE payments SET state = 'succeeded', due_at = NULL")
    night.world.execute("UPDATE payments SET finished_at = %s", night.at(9))
    night.compare(accounts=["7"])
    assert night.open() == [f"missing_at_provider:{ours}"]
    number = night.world.value("SELECT id FROM discrepancies WHERE resolved_at IS NULL")
    assert reasons(night) == {f"still_unknown:{ours}": f"continues as missing_at_provider, number {number}"}
    assert night.world.value("SELECT continues_as FROM discrepancies WHERE resolved_at IS NOT NULL") == number


def test_what_is_closed_is_closed_by_what_is_so(night: Night) -> None:
    refused, twice = night.payment("7", 100, "unknown"), night.payment("7", 30)
    line = night.line("7", 30, twice)
    night.compare(line, line, night.line("7", 9, "cash", reference="R-1"))
    night.next()
    night.world.execute("UPDATE payments SET state = 'refused', due_at = NULL WHERE id = %s", refused)
    night.world.execute("UPDATE payments SET finished_at = %s WHERE id = %s", night.at(9), refused)
    night.compare(line)
    day = night.day.date()
    assert reasons(night) == {
        f"still_unknown:{refused}": f"it was refused here, and the books as read for {day} don't contradict",
        f"duplicate_at_provider:{twice}": f"the books as read for {day} no longer show the further entry",
        "paid_elsewhere:careful:7:R-1": f"the books as read for {day} no longer show this entry",
    }


def test_a_report_that_is_written_again_has_the_same_bytes_whatever_happened_since(
    night: Night, tmp_path: Path
) -> None:
    missing, unknown = night.payment("7", 100), night.payment("7", 30, "parked")
    night.payment("8", 5)
    run = night.compare(night.line("7", 9, "cash"), accounts=["7", "8"]).run
    before = files(night, run.id, tmp_path / "before")
    assert before.keys() == {
        "report.html",
        "report.xlsx",
        "discrepancies.csv",
        "carried.csv",
        "payments.csv",
        "summary.json",
    }
    for number in (row["id"] for row in night.world.rows("SELECT id FROM discrepancies ORDER BY id LIMIT 2")):
        discrepancies.close(night.world.runtime.database, number, reason="explained", by="Nomin")
    night.next()
    night.world.execute("UPDATE payments SET state = 'succeeded', due_at = NULL WHERE id = %s", unknown)
    night.compare(night.line("7", 100, missing, at=night.at(-12)), night.line("7", 30, unknown), accounts=["8"])
    discrepancies.update(night.world.runtime, run)
    assert files(night, run.id, tmp_path / "after") == before


def test_without_its_payments_a_report_has_the_other_files(night: Night, tmp_path: Path) -> None:
    night.payment("7", 100)
    run = night.compare(accounts=["7"]).run
    before = files(night, run.id, tmp_path / "before")
    night.world.execute("UPDATE reconciliations SET forgotten = true")
    night.world.execute(f"DROP TABLE reconciled_payments_{run.id}")
    del before["payments.csv"]
    after = files(night, run.id, tmp_path / "after")
    assert after.pop("report.xlsx") != before["report.xlsx"], "its sheet of payments says why it has none"
    assert after == {name: content for name, content in before.items() if name != "report.xlsx"}
    assert files(night, run.id, tmp_path / "before")["report.xlsx"] == before["report.xlsx"], "it is left as it is"


def test_people_are_alerted_to_a_discrepancy_once(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    night.payment("7", 100)
    run = night.read(accounts=["7"])
    for _ in range(3):
        assert night.carry_on(run).fresh == 1
    assert raised(capsys, "new_discrepancies") == 1


def test_late_evidence_beside_a_night_is_told_of_once(night: Night) -> None:
    """What the night finds and late evidence finds at the same moment is one row and one event, whoever is first."""
    ours = night.payment("7", 100, "refused")
    run = night.read(night.line("7", 100, ours))
    dispute_evidence(night.world.runtime, ours, {"attempt": 1})
    night.carry_on(run)
    dispute_evidence(night.world.runtime, ours, {"attempt": 2})
    assert night.world.events(ours) == ["disputed"]


def test_the_report_says_what_is_of_the_day_and_what_is_carried_forward(night: Night, tmp_path: Path) -> None:
    ours = night.payment("7", 100)
    night.compare(accounts=["7"])
    night.next()
    night.payment("8", 5)
    run = night.compare(night.line("7", 100, ours, at=night.at(-2)), accounts=["8"]).run
    written = files(night, run.id, tmp_path)
    summary = json.loads(written["summary.json"])
    assert (summary["sums"][0]["our_books"], summary["sums"][0]["provider_books"]) == ("5.00", "0.00")
    assert summary["carried"] == [{"currency": "MNT", "entries": 1, "our_books": "0.00", "provider_books": "100.00"}]
    page = written["report.html"].decode()
    carried = re.search('<section [^>]*id="carried">(.*?)</section>', page, flags=re.DOTALL)
    assert carried
    assert f"shop/ord-{ours}" in carried[1]
    assert "Closed by" in carried[1]


def weights(night: Night, run_id: int, folder: Path) -> dict[str, int]:
    entries: dict[str, int] = json.loads(files(night, run_id, folder)["summary.json"])["entries"]
    return entries


def test_what_is_parked_needs_action_and_is_in_question_once(night: Night, tmp_path: Path) -> None:
    night.payment("7", 40, "parked")
    night.payment("7", 25, "unknown")
    run = night.compare(night.line("7", 40, "cash", reference="R-1")).run
    assert weights(night, run.id, tmp_path) == {"agrees": 0, "settled": 0, "watch": 1, "act": 2}
    page = (tmp_path / "report.html").read_text("utf-8").replace("\u00a0", " ")
    assert "In question: 65.00 MNT" in page, "the line may be the payment: its money is in question there"
    assert page.count("In question: ") == 1
    summary = json.loads((tmp_path / "summary.json").read_bytes())
    assert summary["open_by_age"][0]["in_question"] == {"MNT": "65.00"}


@pytest.mark.parametrize(
    ("amount", "kind", "act"), [(100, "payment", 1), (-100, "other", 1), (99, "payment", 0), (-99, "other", 0)]
)
def test_an_entry_of_the_sum_of_a_payment_of_ours_needs_action_and_names_it(
    night: Night, tmp_path: Path, amount: int, kind: str, act: int
) -> None:
    """It may be the same bill paid twice, or a correction of our payment."""
    ours = night.payment("7", 100)
    run = night.compare(night.line("7", 100, ours), night.line("7", amount, "x", kind=kind, reference="R-1")).run
    assert weights(night, run.id, tmp_path)["act"] == act
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("could be") == act


def test_a_total_that_no_payment_explains_shows_both_totals(world: World, tmp_path: Path) -> None:
    night = Night(world, TOTALS)
    night.payment("A", 70)
    night.payment("A", 30)
    run = night.compare(night.total("A", 99)).run
    files(night, run.id, tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8").replace("\u00a0", " ")
    told = re.search('<section [^>]*id="amount_mismatch">(.*?)</section>', page, flags=re.DOTALL)
    assert told
    words = " ".join(re.sub("<[^>]*>", " ", told[1]).split())
    assert "100.00 MNT in all 99.00 MNT in all; in the sums -1.00" in words


def test_what_a_person_decided_is_named(night: Night, tmp_path: Path) -> None:
    ours = night.payment("7", 100, "refused")
    night.world.execute(
        """INSERT INTO resolutions (payment_id, action, from_state, reason, by_whom)
        VALUES (%s, 'refused', 'parked', 'the provider says so', 'Nomin')""",
        ours,
    )
    run = night.compare(night.line("7", 100, ours)).run
    page = files(night, run.id, tmp_path)["report.html"].decode()
    assert "refused, by Nomin: the provider says so" in page

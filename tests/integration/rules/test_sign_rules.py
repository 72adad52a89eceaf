"""A finding is somebody's until a day; a day is prepared by one and reviewed by another; what changes then shows."""

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared.database.engine import driver_url
from shared.domain.discrepancies import ClosingCode, Signed
from shared.domain.roles import Role
from shared.payments.look import Unresolvable
from shared.people import change
from shared.reconciliation import discrepancies, report, views
from shared.reconciliation.sign import sign
from shared.reconciliation.statement.gathered import Statement, gather
from shared.reconciliation.statement.period import Span
from shared.reconciliation.statement.write import write
from tests.support.flow import World
from tests.support.nights import Night


@pytest.fixture
def night(world: World) -> Night:
    """A night that found a missing payment of 100, and a stranger's 20."""
    night = Night(world)
    night.payment("7", 100)
    night.compare(night.line("7", 20, "cash"))
    return night


def numbers(night: Night) -> tuple[int, int]:
    """Of the missing payment, and of the stranger's."""
    rows = night.world.rows("SELECT id, category FROM discrepancies")
    by = {row["category"]: row["id"] for row in rows}
    return by["missing_at_provider"], by["paid_elsewhere"]


def row(night: Night, number: int) -> Mapping[str, Any]:
    with night.world.runtime.database.connection() as connection:
        found = views.one(connection, number)
    assert found is not None
    return found


def stated(night: Night, first: date, days: int) -> Statement:
    end = first + timedelta(days=days)
    with night.world.runtime.database.transaction() as connection:
        return gather(connection, night.world.runtime.registrations[night.provider], Span("some", first, end), end)


def page(night: Night, folder: Path) -> str:
    report.write(night.world.runtime, night.runs[-1], folder, "en")
    return (folder / "report.html").read_text("utf-8")


def actions(night: Night) -> list[tuple[str, str, str]]:
    rows = night.world.rows("SELECT action, subject, by_whom FROM audit ORDER BY number")
    return [(row["action"], row["subject"], row["by_whom"]) for row in rows]


def test_what_people_do_about_a_finding_is_kept_told_and_in_the_audit(night: Night, tmp_path: Path) -> None:
    database, (missing, _) = night.world.runtime.database, numbers(night)
    due = night.day.date() + timedelta(days=5)
    discrepancies.assign(database, missing, owner="Nino", due=due, by="Gela", reason="knows them")
    discrepancies.comment(database, missing, text="<b>asked</b> them by phone", by="Nino")
    discrepancies.close(database, missing, reason="it was their fee", by="Nino", code=ClosingCode.FEE)
    discrepancies.reopen(database, missing, reason="it was not", by="Gela")
    told = row(night, missing)
    assert (told["owner"], told["due"], told["resolved_at"], told["closing_code"]) == ("Nino", str(due), None, None)
    assert [(one["deed"], one["by"], one["code"]) for one in told["notes"]] == [
        ("assigned", "Gela", None),
        ("comment", "Nino", None),
        ("closed", "Nino", "fee"),
        ("reopened", "Gela", None),
    ]
    deeds = ("assigned", "commented", "closed", "reopened")
    assert [action for action, *_ in actions(night)] == [f"discrepancy.{deed}" for deed in deeds]
    night.next()
    night.compare(night.line("7", 20, "cash", at=night.at(-12)), accounts=["7"])
    said = page(night, tmp_path)
    assert '<p class="small">In charge: <span class="given">Nino</span>, due ' in said
    assert "&lt;b&gt;asked&lt;/b&gt; them by phone" in said
    assert 'Opened again by <span class="given">Gela</span>' in said
    assert "Overdue" not in said
    before = said
    discrepancies.comment(database, missing, text="later", by="Nino")
    assert page(night, tmp_path / "again") == before, "a report tells what its night knew"


def test_a_finding_of_which_the_day_is_over_is_overdue(night: Night, tmp_path: Path) -> None:
    missing, _ = numbers(night)
    due = night.day.date()
    discrepancies.assign(night.world.runtime.database, missing, owner="Nino", due=due, by="Nino")
    night.next()
    night.compare(accounts=["7"])
    assert "Overdue" in page(night, tmp_path)


@pytest.mark.parametrize(
    ("do", "said"),
    [
        (lambda d, n: discrepancies.reopen(d, n, reason="x", by="Nino"), "is open; nothing was changed"),
        (lambda d, n: discrepancies.reopen(d, n + 99, reason="x", by="Nino"), "there is no discrepancy"),
        (lambda d, n: discrepancies.comment(d, n + 99, text="x", by="Nino"), "there is no discrepancy"),
    ],
)
def test_what_can_not_be_done_is_said(night: Night, do: Any, said: str) -> None:
    with pytest.raises(Unresolvable, match=said):
        do(night.world.runtime.database, numbers(night)[0])
    assert actions(night) == []


def test_a_closed_one_is_nobodys_to_do_and_needs_a_reason_and_a_person(night: Night) -> None:
    database, (missing, _) = night.world.runtime.database, numbers(night)
    with pytest.raises(ValueError, match="reason must have"):
        discrepancies.close(database, missing, reason=" ", by="Nino", code=ClosingCode.FEE)
    with pytest.raises(ValueError, match="must be a person's"):
        discrepancies.reopen(database, missing, reason="x", by="books")
    discrepancies.close(database, missing, reason="x", by="Nino")
    assert row(night, missing)["closing_code"] == "other"
    with pytest.raises(Unresolvable, match="was closed before, by Nino"):
        discrepancies.assign(database, missing, owner="Nino", due=None, by="Nino")


def test_one_that_continues_as_another_is_not_opened_again(night: Night) -> None:
    missing, elsewhere = numbers(night)
    night.world.execute(
        "UPDATE discrepancies SET resolved_at = clock(), resolved_by = 'books', continues_as = %s WHERE id = %s",
        elsewhere,
        missing,
    )
    with pytest.raises(Unresolvable, match=f"continues as number {elsewhere}"):
        discrepancies.reopen(night.world.runtime.database, missing, reason="x", by="Nino")


def test_once_people_are_set_up_only_they_are_in_charge(night: Night) -> None:
    with night.world.runtime.database.transaction() as connection:
        change.add(connection, "Nino", Role.APPROVER, by="somebody")
    missing, _ = numbers(night)
    with pytest.raises(Unresolvable, match="nobody is set up under the name Gela"):
        discrepancies.assign(night.world.runtime.database, missing, owner="Gela", due=None, by="Nino")
    discrepancies.assign(night.world.runtime.database, missing, owner="Nino", due=None, by="Nino")


def test_one_that_was_told_of_as_closed_and_is_opened_again_is_new_in_its_period(night: Night) -> None:
    """Opening + new - closed = open, in each period and over both."""
    database, (missing, _), first = night.world.runtime.database, numbers(night), night.day.date()
    discrepancies.close(database, missing, reason="found", by="Nino")
    night.next()
    night.compare(accounts=["7"])
    discrepancies.reopen(database, missing, reason="it was another one", by="Nino")
    night.next()
    night.compare(accounts=["7"])
    for begin, days in ((first, 2), (first + timedelta(days=2), 1), (first, 3)):
        for move in stated(night, begin, days).moves:
            assert move.opening + move.fresh - move.closed == move.open
    (move,) = stated(night, first + timedelta(days=2), 1).moves
    (day,) = stated(night, first + timedelta(days=2), 1).days
    assert (move.opening, move.fresh, move.closed, move.open) == (0, 1, 0, 1)
    assert day.fresh == 1
    night.next()
    night.compare(accounts=["7"])
    (day,) = stated(night, first + timedelta(days=3), 1).days
    assert (day.fresh, day.open) == (0, 1), "once"


def signed(night: Night, day: date, role: Signed, by: str) -> None:
    sign(night.world.runtime.database, night.provider, day, role, by=by)


def test_a_day_is_prepared_by_one_and_reviewed_by_another(night: Night, tmp_path: Path) -> None:
    day = night.day.date()
    for name in ("Nino", "Gela"):
        with night.world.runtime.database.transaction() as connection:
            change.add(connection, name, Role.APPROVER, by="somebody")
    with pytest.raises(Unresolvable, match="has to be prepared before"):
        signed(night, day, Signed.REVIEWED, "Gela")
    signed(night, day, Signed.PREPARED, "Nino")
    with pytest.raises(Unresolvable, match="another person has to review it"):
        signed(night, day, Signed.REVIEWED, "nino")
    with pytest.raises(Unresolvable, match="was prepared before, by Nino"):
        signed(night, day, Signed.PREPARED, "Gela")
    insert = """INSERT INTO day_signatures (provider, day, role, by_whom, seen)
        VALUES (%s, %s, 'reviewed', 'NINO', '[]')"""
    with pytest.raises(psycopg.errors.CheckViolation, match="prepared by one person and reviewed by another"):
        night.world.execute(insert, night.provider, day)
    signed(night, day, Signed.REVIEWED, "Gela")
    assert [action[:2] for action in actions(night)[-2:]] == [
        ("day.prepared", f"{night.provider} {day}"),
        ("day.reviewed", f"{night.provider} {day}"),
    ]
    said = page(night, tmp_path)
    assert 'Prepared by <span class="given">Nino</span>' in said
    assert 'Reviewed by <span class="given">Gela</span>' in said
    for statement in ("UPDATE day_signatures SET by_whom = 'x'", "DELETE FROM discrepancy_notes"):
        with pytest.raises(psycopg.errors.CheckViolation, match="append only"):
            night.world.execute(statement)


def test_while_nobody_is_set_up_one_may_sign_twice_but_not_a_day_that_was_not_compared(night: Night) -> None:
    day = night.day.date()
    signed(night, day, Signed.PREPARED, "Nino")
    signed(night, day, Signed.REVIEWED, "Nino")
    with pytest.raises(Unresolvable, match="was not compared"):
        signed(night, day - timedelta(days=1), Signed.PREPARED, "Nino")


def corrected(statement: Statement) -> list[tuple[date, date, int, int]]:
    return [(c.day, c.night, int(c.local_minor), int(c.provider_minor)) for c in statement.corrections]


def test_what_changes_after_the_review_is_a_correction_of_its_period(world: World, tmp_path: Path) -> None:
    night = Night(world)
    first = night.day.date()
    payment, known = night.payment("7", 100), night.payment("8", 30)
    night.compare(night.line("7", 20, "cash"), accounts=["7", "8"])
    for role, by in ((Signed.PREPARED, "Nino"), (Signed.REVIEWED, "Gela")):
        signed(night, first, role, by)
    assert corrected(stated(night, first, 1)) == [], "nothing was changed yet"
    night.next()
    came = [night.line("7", 100, payment, at=night.at(-12)), night.line("8", 30, known, at=night.at(-12))]
    night.compare(*came, night.line("7", 20, "cash", at=night.at(-12)))
    second = first + timedelta(days=1)
    assert corrected(stated(night, first, 1)) == [], "it is no correction of the day's own period"
    assert corrected(stated(night, second, 1)) == [(first, second, 0, 13_000)]
    told = stated(night, second, 1)
    assert [item.after_review for item in told.items if not item.open] == [True, True]
    write(night.world.runtime.database, night.world.runtime.registrations[night.provider], told.span, tmp_path)
    said = (tmp_path / "statement.html").read_text("utf-8")
    assert "Corrections of reviewed days" in said
    assert "After the review" in said
    summary = json.loads((tmp_path / "summary.json").read_bytes())
    (correction,) = summary["corrections"]
    assert (correction["providers_books"], correction["reviewed_by"]) == ("130.00", "Gela")
    whole = stated(night, first, 2)
    assert (len(whole.signed), whole.unreviewed) == (1, 1)


def test_a_reviewed_day_that_is_compared_anew_is_corrected_in_its_own_period(night: Night) -> None:
    first = night.day.date()
    for role, by in ((Signed.PREPARED, "Nino"), (Signed.REVIEWED, "Gela")):
        signed(night, first, role, by)
    night.payment("7", 5)
    night.carry_on(night.runs[-1])
    assert corrected(stated(night, first, 1)) == [(first, first, 500, 0)]


def test_what_was_known_at_the_review_is_no_correction(night: Night) -> None:
    first = night.day.date()
    payment = night.world.value("SELECT id FROM payments")
    night.next()
    night.compare(night.line("7", 100, payment, at=night.at(-12)), night.line("7", 20, "cash", at=night.at(-12)))
    for role, by in ((Signed.PREPARED, "Nino"), (Signed.REVIEWED, "Gela")):
        signed(night, first, role, by)
    assert corrected(stated(night, first, 2)) == []


def test_two_signatures_of_one_person_at_the_same_moment_are_not_both_kept(night: Night) -> None:
    day, url = night.day.date(), driver_url(night.world.url)
    with night.world.runtime.database.transaction() as connection:
        change.add(connection, "Nino", Role.APPROVER, by="somebody")
    insert = """INSERT INTO day_signatures (provider, day, role, by_whom, seen)
        VALUES (%s, %s, %s, 'Nino', '[]')"""

    def review() -> str:
        with psycopg.connect(url, autocommit=True, application_name="second") as second:
            try:
                second.execute(insert, (night.provider, day, "reviewed"))
            except psycopg.errors.CheckViolation as error:
                return str(error.diag.message_primary)
        return "kept"

    waits = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'second' AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor() as pool, psycopg.connect(url) as first:
        first.execute(insert, (night.provider, day, "prepared"))
        told = pool.submit(review)
        limit = time.monotonic() + 120
        while night.world.value(waits) == 0:
            assert time.monotonic() < limit, "the second one does not wait for the first"
            time.sleep(0.02)
        first.commit()
        assert told.result(120) == "a day is prepared by one person and reviewed by another"


def test_a_payment_that_ends_later_is_taken_back_from_the_day_that_was_reviewed(world: World) -> None:
    """Its money stood, as the provider's alone, in the sums of the day on which it came."""
    night = Night(world)
    first = night.day.date()
    unknown = night.payment("7", 30, "unknown")
    night.compare(night.line("7", 30, unknown), night.line("7", 5, "cash"))
    for role, by in ((Signed.PREPARED, "Nino"), (Signed.REVIEWED, "Gela")):
        signed(night, first, role, by)
    (seen,) = world.value("SELECT seen FROM day_signatures WHERE role = 'reviewed'")
    assert (seen["local_minor"], seen["provider_minor"]) == (0, 3_500)
    night.next()
    line = night.line("7", 30, unknown, at=night.at(-12))
    night.compare(line, night.line("7", 5, "cash", at=night.at(-12)))
    second = first + timedelta(days=1)
    assert corrected(stated(night, second, 1)) == [(first, second, 0, -3_000)]

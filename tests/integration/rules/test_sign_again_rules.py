"""A day that changes after it was signed is signed again: each signature says what it covers, and none is lost."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scheduler import judging
from shared.alerts import views as views_of_alerts
from shared.database.engine import driver_url
from shared.domain.discrepancies import Signed
from shared.domain.roles import Role
from shared.inbox import Kind, waiting
from shared.payments.look import Unresolvable
from shared.people import change
from shared.reconciliation import report, views
from shared.reconciliation.sign import sign
from shared.reconciliation.statement.gathered import Statement, gather
from shared.reconciliation.statement.period import Span
from shared.reconciliation.statement.write import write
from shared.reconciliation.store import signatures, to_sign
from shared.reconciliation.store.signatures import SignedDay
from tests.support.flow import World
from tests.support.nights import Night
from tests.support.stack import wait_until

NAME = "signed_day_changed"
WAITING = """
SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
PREPARED, REVIEWED = Signed.PREPARED, Signed.REVIEWED


class Corrected:
    """A day that two signed, of which a payment is missing, and whatever later nights say about it."""

    def __init__(self, world: World) -> None:
        self.night = Night(world)
        self.day: date = self.night.day.date()
        self.payments = [self.night.payment("7", 100), self.night.payment("8", 30)]
        self.night.compare(accounts=["7", "8"])

    def set_up(self, *names: str) -> None:
        for name in names:
            with self.night.world.runtime.database.transaction() as connection:
                change.add(connection, name, Role.APPROVER, by="somebody")

    def sign(self, role: Signed, by: str, books: str | None = None) -> None:
        sign(self.night.world.runtime.database, self.night.provider, self.day, role, by=by, books=books)

    def signed_by(self, preparer: str, reviewer: str) -> None:
        self.sign(PREPARED, preparer)
        self.sign(REVIEWED, reviewer)

    def comes(self, number: int) -> None:
        """The next night finds this payment, a day late."""
        self.night.next()
        payment, account, amount = self.payments[number], ("7", "8")[number], (100, 30)[number]
        self.night.compare(self.night.line(account, amount, payment, at=self.night.at(-12)), accounts=[account])

    def now(self) -> SignedDay:
        with self.night.world.runtime.database.connection() as connection:
            (found,) = signatures.days(connection, self.night.provider, self.day, self.day)
        return found

    def versions(self) -> list[tuple[int, str | None, str | None, bool]]:
        return [(one.version, one.prepared_by, one.reviewed_by, one.changed) for one in self.now().versions]

    def stated(self, first: date, days: int) -> Statement:
        world, end = self.night.world, first + timedelta(days=days)
        with world.runtime.database.transaction() as connection:
            return gather(connection, world.runtime.registrations[self.night.provider], Span("some", first, end), end)


@pytest.fixture
def it(world: World) -> Corrected:
    return Corrected(world)


def test_a_day_that_changed_is_prepared_and_reviewed_again_and_what_was_signed_before_stays(it: Corrected) -> None:
    it.set_up("Nino", "Gela", "Dato")
    it.signed_by("Nino", "Gela")
    first = it.now()
    assert (it.versions(), first.next) == ([(1, "Nino", "Gela", False)], None)
    with pytest.raises(Unresolvable, match="nothing about it has changed since"):
        it.sign(PREPARED, "Dato")
    it.comes(0)
    changed = it.now()
    assert (it.versions(), changed.next) == ([(1, "Nino", "Gela", True)], PREPARED)
    assert changed.books != first.books
    with pytest.raises(Unresolvable, match="has to be prepared again"):
        it.sign(REVIEWED, "Dato")
    it.sign(PREPARED, "Gela")
    assert it.now().next is REVIEWED
    with pytest.raises(Unresolvable, match="another person has to review it"):
        it.sign(REVIEWED, "GELA")
    it.sign(REVIEWED, "Nino")
    assert it.versions() == [(1, "Nino", "Gela", True), (2, "Gela", "Nino", False)]
    kept = [one.books for one in it.now().versions]
    assert kept == [first.books, changed.books]
    rows = it.night.world.rows("SELECT action, by_whom, content FROM audit WHERE action LIKE 'day.%%' ORDER BY number")
    assert [(r["action"], r["by_whom"], r["content"]["version"]) for r in rows] == [
        ("day.prepared", "Nino", 1),
        ("day.reviewed", "Gela", 1),
        ("day.prepared", "Gela", 2),
        ("day.reviewed", "Nino", 2),
    ]
    assert [r["content"]["books"] for r in rows] == [first.books] * 2 + [changed.books] * 2


def test_a_night_that_changes_a_day_while_somebody_signs_it_has_it_stand(
    it: Corrected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither has committed when the other one looks: without a turn each would miss the other."""
    it.set_up("Nino", "Gela")
    look, changing = to_sign.note_day, []
    with ThreadPoolExecutor(1) as pool, monkeypatch.context() as patched:

        def meanwhile(*given: Any) -> None:
            look(*given)
            changing.append(pool.submit(it.comes, 0))
            wait_until(lambda: changing[0].done() or it.night.world.rows(WAITING), "it is through, or waits for us")

        patched.setattr(to_sign, "note_day", meanwhile)
        it.sign(PREPARED, "Nino")
        changing[0].result(120)
    assert it.versions() == [(1, "Nino", None, True)]
    with it.night.world.runtime.database.connection() as connection:
        rows = [row for row in views_of_alerts.listed(connection, everything=False) if row["name"] == NAME]
    assert len(rows) == 1


def test_a_day_to_be_signed_again_waits_in_the_inbox_and_stands_as_one_alert(it: Corrected) -> None:
    world, subject = it.night.world, f"{it.night.provider}/{it.day}"
    it.set_up("Nino", "Gela")

    def told() -> list[tuple[str, str | None]]:
        judging.once(world.runtime, world.runtime.database, [])  # it is not the dispatcher's to clear
        with world.runtime.database.connection() as connection:
            rows = [row for row in views_of_alerts.listed(connection, everything=True) if row["name"] == NAME]
            days = waiting(connection, kind=Kind.DAY)
            assert [one.decide for one in days] == [f"{it.now().command} --by NAME" for _ in days]
        assert len(days) == sum(row["cleared_at"] is None for row in rows)
        assert {row["subject"] for row in rows} <= {subject}
        return [(row["figures"]["next"], row["cleared_at"] and "cleared") for row in rows]

    it.signed_by("Nino", "Gela")
    it.night.next()
    it.night.compare(accounts=["7", "8"])
    assert told() == [], "nothing about it changed"
    it.comes(0)
    assert told() == [("prepared", None)]
    it.night.next()
    it.night.compare(accounts=["7", "8"])
    assert told() == [("prepared", None)], "raised once"
    it.sign(PREPARED, "Gela")
    assert told() == [("reviewed", None)], "it is not over before somebody else reviewed it"
    it.sign(REVIEWED, "Nino")
    assert told() == [("reviewed", "cleared")]
    it.comes(1)
    assert told() == [("reviewed", "cleared"), ("prepared", None)]


def test_a_day_that_is_what_was_signed_again_waits_no_more(it: Corrected) -> None:
    it.signed_by("Nino", "Gela")
    it.comes(0)
    world, late = it.night.world, it.night.runs[-1]
    with world.runtime.database.connection() as connection:
        assert [one.subject for one in waiting(connection, kind=Kind.DAY)] == [str(it.day)]
    world.execute("DELETE FROM carried_entries WHERE run_id = %s", late.id)
    with world.runtime.database.transaction() as connection:
        assert to_sign.note(connection, it.night.provider) == []
    with world.runtime.database.connection() as connection:
        assert waiting(connection, kind=Kind.DAY) == []


def test_a_night_that_changes_nothing_about_a_day_asks_for_no_signature(it: Corrected) -> None:
    it.signed_by("Nino", "Gela")
    it.night.next()
    it.night.compare(accounts=["7", "8"])
    assert (it.versions(), it.now().next) == ([(1, "Nino", "Gela", False)], None)
    run = it.night.runs[0]
    it.night.carry_on(run)
    assert it.versions() == [(1, "Nino", "Gela", False)], "compared anew, with the same result"


def test_what_only_moves_between_entries_is_a_change_too(it: Corrected) -> None:
    """The sums are the same: one payment came, and a stranger's correction took as much away."""
    it.signed_by("Nino", "Gela")
    before = it.now().books
    it.night.world.execute(
        """INSERT INTO findings (run_id, identity, category, account, currency, local_minor, provider_minor, evidence,
            of_day) VALUES (%s, 'made-up', 'paid_elsewhere', '7', 'MNT', 0, 0, '{}', %s)""",
        it.night.runs[0].id,
        it.day,
    )
    assert it.now().books != before
    assert it.now().next is PREPARED


def test_a_change_between_prepare_and_review_has_it_prepared_again(it: Corrected) -> None:
    it.set_up("Nino", "Gela")
    it.sign(PREPARED, "Nino")
    it.comes(0)
    with pytest.raises(Unresolvable, match="has changed since Nino prepared it"):
        it.sign(REVIEWED, "Gela")
    it.signed_by("Nino", "Gela")
    assert it.versions() == [(1, "Nino", None, True), (2, "Nino", "Gela", False)]


def test_what_is_signed_is_what_was_seen(it: Corrected) -> None:
    seen = it.now().books
    it.comes(0)
    with pytest.raises(Unresolvable, match="the books of this day are other ones now"):
        it.sign(PREPARED, "Nino", seen[:12])
    it.sign(PREPARED, "Nino", it.now().books[:12])
    for wrong in ("", "abc", "x" * 12, "%" * 12):
        with pytest.raises(ValueError, match="books"):
            it.sign(REVIEWED, "Gela", wrong)


@pytest.mark.parametrize("role", [PREPARED, REVIEWED])
def test_of_two_who_sign_again_at_once_one_does(it: Corrected, role: Signed) -> None:
    it.set_up("Nino", "Gela", "Dato")
    it.signed_by("Nino", "Gela")
    it.comes(0)
    if role is REVIEWED:
        it.sign(PREPARED, "Gela")
    begin = threading.Barrier(2)

    def signs(name: str) -> str:
        begin.wait(60)
        try:
            it.sign(role, name)
        except Unresolvable as error:
            return str(error)
        return "signed"

    with ThreadPoolExecutor() as pool:
        said = sorted(pool.map(signs, ("Nino", "Dato")), key=len)
    assert said[0] == "signed"
    assert f"was {role} before, by " in said[1]
    assert [one[0] for one in it.versions()] == [1, 2]


def test_a_signature_that_comes_while_the_day_is_compared_anew_waits_and_is_refused(it: Corrected) -> None:
    it.signed_by("Nino", "Gela")
    with psycopg.connect(driver_url(it.night.world.url)) as other, ThreadPoolExecutor() as pool:
        other.execute("UPDATE reconciliations SET carried_at = NULL WHERE id = %s", (it.night.runs[0].id,))
        told = pool.submit(it.sign, PREPARED, "Nino")
        other.commit()
        with pytest.raises(Unresolvable, match="was not compared"):
            told.result(120)


def test_the_database_refuses_what_the_commands_do(it: Corrected) -> None:
    it.set_up("Nino", "Gela", "Dato")
    it.signed_by("Nino", "Gela")
    insert = """INSERT INTO day_signatures (provider, day, role, by_whom, seen, version, books)
        SELECT provider, day, %s, %s, seen, %s, %s FROM day_signatures LIMIT 1"""
    same, other = it.now().books, "0" * 64
    for role, by, version, books, said in (
        ("prepared", "Dato", 2, same, "nothing about a day has changed since it was signed"),
        ("prepared", "Dato", 3, other, "the next one"),
        ("reviewed", "Dato", 2, other, "prepared before it is reviewed"),
        ("reviewed", "Dato", 1, same, "day_signatures"),
    ):
        with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.UniqueViolation), match=said):
            it.night.world.execute(insert, role, by, version, books)
    it.night.world.execute(insert, "prepared", "Nino", 2, other)
    for by, books, said in (
        ("nino", other, "prepared by one person and reviewed by another"),
        ("Gela", same, "what was prepared is what is reviewed"),
    ):
        with pytest.raises(psycopg.errors.CheckViolation, match=said):
            it.night.world.execute(insert, "reviewed", by, 2, books)
    it.night.world.execute(insert, "reviewed", "Gela", 2, other)


def test_a_day_that_an_earlier_release_signed_is_reviewed_and_signed_again(it: Corrected) -> None:
    """Its signatures say what the day came to, and have no digest."""
    it.sign(PREPARED, "Nino")
    it.night.world.execute("ALTER TABLE day_signatures DISABLE TRIGGER signature_kept")
    it.night.world.execute("UPDATE day_signatures SET books = NULL")
    assert [(one.books, one.changed) for one in it.now().versions] == [(None, False)]
    it.sign(REVIEWED, "Gela")
    it.night.world.execute("UPDATE day_signatures SET books = NULL")
    assert it.now().next is None
    it.comes(0)
    assert it.versions() == [(1, "Nino", "Gela", True)]
    it.signed_by("Nino", "Gela")
    assert it.versions()[1] == (2, "Nino", "Gela", False)


def corrected(statement: Statement) -> list[tuple[int, date, date, int, str | None]]:
    return [(c.version, c.day, c.night, int(c.provider_minor), c.again_by) for c in statement.corrections]


def test_a_correction_stays_in_its_statement_once_it_is_signed_again(it: Corrected, tmp_path: Path) -> None:
    it.signed_by("Nino", "Gela")
    second, third = it.day + timedelta(days=1), it.day + timedelta(days=2)
    it.comes(0)
    assert corrected(it.stated(second, 1)) == [(1, it.day, second, 10_000, None)]
    told = it.stated(it.day, 2)
    assert [one.day for one in told.signed if one.next] == [it.day]
    it.signed_by("Gela", "Nino")
    assert corrected(it.stated(second, 1)) == [(1, it.day, second, 10_000, "Nino")], "it was told, and is told"
    assert corrected(it.stated(it.day, 1)) == []
    it.comes(1)
    assert corrected(it.stated(it.day, 3)) == [
        (1, it.day, second, 10_000, "Nino"),
        (2, it.day, third, 3_000, None),
    ]
    world, span = it.night.world, Span("some", it.day, third + timedelta(days=1))
    write(world.runtime.database, world.runtime.registrations[it.night.provider], span, tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_bytes())
    assert summary["to_sign_again"] == [it.day.isoformat()]
    assert [(s["version"], s["prepared_by"], s["since_then"]) for s in summary["signatures"]] == [
        (1, "Nino", "changed"),
        (2, "Gela", "changed"),
    ]
    assert [(c["version"], c["signed_again_by"]) for c in summary["corrections"]] == [(1, "Nino"), (2, None)]
    said = (tmp_path / "statement.html").read_text("utf-8")
    books = it.now().books[:12]
    command = f"settlepipe discrepancies sign {it.night.provider} --date {it.day} --as prepared --books {books}"
    assert command in said
    assert it.now().versions[0].books is not None
    assert it.now().versions[0].books[:12] in said  # type: ignore[index]


def test_the_report_says_what_each_signature_covers_and_what_to_do_then(it: Corrected, tmp_path: Path) -> None:
    it.signed_by("Nino", "Gela")
    covers = it.now().books[:12]

    def page() -> str:
        report.write(it.night.world.runtime, it.night.runs[0], tmp_path, "en")
        return (tmp_path / "report.html").read_text("utf-8")

    before = page()
    assert covers in before
    assert "--as prepared" not in before
    it.comes(0)
    said = page()
    assert covers in said
    assert f"sign {it.night.provider} --date {it.day} --as prepared --books {it.now().books[:12]}" in said
    cut = [text[: text.index("<!-- signed -->")] + text[text.index("<!-- /signed -->") :] for text in (before, said)]
    assert cut[0] == cut[1], "the rest is the same, to the byte"
    it.sign(PREPARED, "Dato")
    assert "--as reviewed --books" in page()


def test_the_list_of_days_says_it_too(it: Corrected) -> None:
    it.signed_by("Nino", "Gela")
    it.comes(0)
    with it.night.world.runtime.database.connection() as connection:
        newest, older = views.days(connection, None, 10)
        assert views.day(connection, it.night.provider, str(it.day)) == older
    assert (newest["day"], newest["signed"].next) == (str(it.day + timedelta(days=1)), PREPARED)
    assert older["signed"] == it.now()

"""A night's comparison: who may run it, how it is told once, and what becomes of its lines."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from shared.database import leases, locks, session
from shared.database.leases import Fenced, LeaseLost
from shared.domain.records import BookLine
from shared.reconciliation import run as night
from shared.reconciliation import tell
from shared.reconciliation.store import nights, runs
from shared.reconciliation.tell import Outcome
from shared.reconciliation.turn import Busy, Turn, turn
from shared.runtime import Runtime
from shared.settings.reporting import ReportSettings
from tests.support.flow import World
from tests.support.mail_server import mail_server

pytestmark = pytest.mark.made_up_rows

DAY = date(2026, 3, 1)


def opened(world: World, provider: str = "safe", day: date = DAY) -> int:
    with world.runtime.database.connection() as connection:
        return runs.open_run(connection, provider, day, night.period("Asia/Tbilisi", day)).id


def compared(world: World, run_id: int, *, complete: bool = True) -> None:
    world.execute(
        "UPDATE reconciliations SET state = 'compared', complete = %s, fetched_at = clock(), compared_at = clock()"
        " WHERE id = %s",
        complete,
        run_id,
    )


def finished(world: World, run_id: int) -> bool:
    with world.runtime.database.connection() as connection:
        return nights.finish(connection, run_id, {"day": "made up"})


def told(world: World) -> list[tuple[str, str]]:
    rows = world.rows("SELECT event_id, subject FROM events WHERE type = 'settlepipe.reconciliation.done' ORDER BY id")
    return [(row["event_id"], row["subject"]) for row in rows]


def test_a_day_is_from_midnight_to_midnight_where_the_provider_is() -> None:
    found = night.period("Europe/Istanbul", DAY)
    assert found.start.isoformat() == "2026-03-01T00:00:00+03:00"
    summer = night.period("Europe/Berlin", date(2026, 3, 29))
    assert summer.end.timestamp() - summer.start.timestamp() == timedelta(hours=23).total_seconds()


def test_one_process_at_a_time_compares_a_providers_books(world: World) -> None:
    database = world.runtime.database
    with turn(database, "safe", 1) as mine:
        mine.held()
        with pytest.raises(Busy, match="safe are being compared"), turn(database, "safe", 1):
            pass
        with turn(database, "other"):
            pass
    with turn(database, "safe"):
        pass


def test_a_lost_turn_is_noticed(world: World) -> None:
    with turn(world.runtime.database, "safe") as mine:
        overtaken(world)
        with pytest.raises(LeaseLost):
            mine.held()


def test_a_turn_outlives_its_sessions(world: World) -> None:
    """As when PostgreSQL is restarted."""
    with turn(world.runtime.database, "safe", 5) as mine:
        assert world.rows(
            """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE application_name = 'settlepipe night' AND datname = current_database()"""
        )
        mine.held()
        with pytest.raises(Busy), turn(world.runtime.database, "safe"):
            pass


def overtaken(world: World) -> None:
    """Another one has the turn, as if its holder had stood still."""
    world.execute("UPDATE leases SET until = clock()")
    with world.runtime.database.connection() as connection:
        assert leases.take(connection, locks.night("safe")) is not None


def finish_while_overtaken(world: World, run_id: int, mine: Turn, isolation: str) -> None:
    with mine.database.transaction() as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}".encode())
        assert nights.finish(connection, run_id, {"day": "made up"})
        overtaken(world)


@pytest.mark.parametrize(
    ("isolation", "error"),
    [("READ COMMITTED", LeaseLost), ("REPEATABLE READ", psycopg.errors.SerializationFailure)],
)
def test_a_lost_turn_commits_nothing(world: World, isolation: str, error: type[Exception]) -> None:
    run_id = opened(world)
    compared(world, run_id)
    with turn(world.runtime.database, "safe") as mine, pytest.raises(error):
        finish_while_overtaken(world, run_id, mine, isolation)
    assert told(world) == []


def test_whoever_takes_the_turn_waits_for_what_commits_in_it(world: World) -> None:
    database = world.runtime.database
    with turn(database, "safe") as mine, mine.database.transaction() as holder, database.connection() as other:
        holder.execute("SELECT FROM lease_numbers FOR SHARE")  # as at its end
        world.execute("UPDATE leases SET until = clock()")
        other.execute("SET statement_timeout = 200")
        with pytest.raises(psycopg.errors.QueryCanceled):
            leases.take(other, locks.night("safe"))
        other.execute(f"SET statement_timeout = '{session.STATEMENT_S:.0f}s'".encode())
        mine.held()


def test_a_run_is_told_once(world: World) -> None:
    run_id = opened(world)
    assert not finished(world, run_id), "it was not compared"
    compared(world, run_id)
    assert finished(world, run_id)
    compared(world, run_id)
    assert finished(world, run_id), "compared again"
    assert told(world) == [(f"r{run_id}-1", "safe/2026-03-01")]


def test_a_part_is_told_once_and_then_the_whole(world: World) -> None:
    run_id = opened(world)
    for complete in (False, False, True, True):
        compared(world, run_id, complete=complete)
        assert finished(world, run_id)
    assert [event_id for event_id, _ in told(world)] == [f"r{run_id}-1", f"r{run_id}-2"]


def lines(world: World, run_id: int) -> int:
    found: int = world.value("SELECT count(*) FROM provider_lines WHERE run_id = %s", run_id)
    return found


def with_lines(world: World, day: date, provider: str = "safe") -> int:
    run_id = opened(world, provider, day)
    line = BookLine("payment", "7", None, 100, "GEL", None, "1", None, True)
    with world.runtime.database.transaction() as connection:
        runs.keep(connection, run_id, [line] * 25, accounts=["7"], position=None)
    return run_id


def test_old_lines_are_forgotten_and_their_night_is_not_compared_again(world: World) -> None:
    old, young, undone = (with_lines(world, DAY + timedelta(days=n)) for n in range(3))
    other = with_lines(world, DAY, "careful")
    for run_id in (old, young, other):
        compared(world, run_id)
        finished(world, run_id)
    world.execute("UPDATE reconciliations SET finished_at = clock() - interval '91 days' WHERE id <> %s", young)
    assert nights.forget_lines(world.runtime.database, "safe", 90, batch=10) == 26, "and the account"
    assert [lines(world, run_id) for run_id in (old, young, undone, other)] == [0, 25, 25, 25]
    with world.runtime.database.connection() as connection:
        assert [nights.forgotten(connection, run_id) for run_id in (old, young)] == [True, False]
    assert nights.forget_lines(world.runtime.database, "safe", 90) == 0


def test_who_lost_the_turn_forgets_nothing(world: World) -> None:
    run_id = with_lines(world, DAY)
    compared(world, run_id)
    finished(world, run_id)
    world.execute("UPDATE reconciliations SET finished_at = clock() - interval '91 days'")
    with world.runtime.database.connection() as connection:
        frozen = leases.take(connection, locks.night("safe"))
        world.execute("UPDATE leases SET until = clock()")
        assert leases.take(connection, locks.night("safe")) is not None
        assert frozen is not None
        with pytest.raises(LeaseLost):
            nights.forget_lines(Fenced(world.runtime.database, frozen), "safe", 90)
        assert lines(world, run_id) == 25
        assert not nights.forgotten(connection, run_id)


def test_the_payments_of_old_runs_are_dropped_as_soon_as_nobody_reads_them(world: World) -> None:
    old, young = (opened(world, day=DAY + timedelta(days=n)) for n in range(2))
    for run_id in (old, young):
        world.execute(
            f"CREATE TABLE reconciled_payments_{run_id} PARTITION OF reconciled_payments FOR VALUES IN ({run_id})"
        )
        compared(world, run_id)
        finished(world, run_id)
    world.execute("UPDATE reconciliations SET finished_at = clock() - interval '91 days' WHERE id = %s", old)

    def tables() -> set[str]:
        parent = "'reconciled_payments'::regclass"
        rows = world.rows(f"SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = {parent}")
        return {row["name"] for row in rows}

    with world.runtime.database.transaction() as report:
        report.execute("SELECT count(*) FROM reconciled_payments")
        nights.forget_lines(world.runtime.database, "safe", 90)
        assert tables() == {f"reconciled_payments_{old}", f"reconciled_payments_{young}"}
    nights.forget_lines(world.runtime.database, "safe", 90)
    assert tables() == {f"reconciled_payments_{young}"}


def outcome(world: World, folder: Path, run_id: int) -> Outcome:
    with world.runtime.database.connection() as connection:
        return Outcome(runs.get(connection, run_id), 2, 5, folder)


def mailing(world: World, port: int, **changes: Any) -> Runtime:
    given = {"smtp_url": SecretStr(f"smtp+plain://127.0.0.1:{port}"), "from": "b@example.com", "to": "a@example.com"}
    report = ReportSettings.model_validate(given | changes)
    settings = world.runtime.settings.model_copy(update={"report": report})
    return replace(world.runtime, settings=settings)


def test_a_mail_that_could_not_be_sent_fails_nothing_and_is_sent_by_the_next_start(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = opened(world)
    compared(world, run_id)
    with mail_server() as box:
        runtime, found = mailing(world, box.port), outcome(world, tmp_path, run_id)
        box.refuse = "451 not now"
        assert not tell.mail(runtime, found, "en")
        box.refuse = None
        assert tell.mail(runtime, found, "en")
        assert not tell.mail(runtime, found, "en"), "once"
    (mail,) = box.mails
    assert mail["Subject"] == "safe 2026-03-01: 2 new discrepancies, 5 open"
    assert "report_mail_failed" in "".join(capsys.readouterr())


def test_a_report_that_can_not_stand_with_the_others_fails_nothing_and_the_next_start_puts_it_there(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = opened(world)
    compared(world, run_id)
    ours, together = tmp_path / "ours", tmp_path / "together"
    ours.mkdir()
    (ours / "report.html").write_text("<p>a night</p>")
    settings = world.runtime.settings
    report = ReportSettings(store_url=f"file://{together}")
    runtime = replace(world.runtime, settings=settings.model_copy(update={"report": report}))
    found = outcome(world, ours, run_id)
    together.write_text("somebody's file is in the way")
    assert tell.keep(runtime, found, "en") is None
    assert "report_not_kept" in "".join(capsys.readouterr())
    together.unlink()
    kept_at = tell.keep(runtime, found, "en")
    assert kept_at == f"file://{together}/2026-03-01/safe"
    assert replace(found, kept_at=kept_at).report == f"file://{together}/2026-03-01/safe/report.html"
    assert (together / "2026-03-01" / "safe" / "report.html").read_text() == "<p>a night</p>"
    assert (together / "index.html").exists()
    assert tell.keep(world.runtime, found, "en") is None, "no place is set"


def test_a_mail_is_in_the_readers_language(world: World, tmp_path: Path) -> None:
    run_id = opened(world)
    compared(world, run_id)
    with mail_server() as box:
        assert tell.mail(mailing(world, box.port, language="ru"), outcome(world, tmp_path, run_id), None)
    (mail,) = box.mails
    assert mail["Subject"] == "safe 2026-03-01: 2 новых расхождения, открыто 5"
    html = mail.get_body(("html",))
    assert html is not None
    assert '<html lang="ru">' in html.get_content()
    assert "Отчёт: " in html.get_content()


def test_what_a_provider_wrote_is_text_in_a_mail(world: World, tmp_path: Path) -> None:
    run_id = opened(world)
    compared(world, run_id, complete=False)
    world.execute("UPDATE reconciliations SET missing = %s WHERE id = %s", "<b>page 3\r\nBcc: x@example.com", run_id)
    with mail_server() as box:
        assert tell.mail(mailing(world, box.port), outcome(world, tmp_path, run_id), "de")
    html = box.mails[0].get_body(("html",))
    assert html is not None
    assert "&lt;b&gt;page 3" in html.get_content()
    assert "<b>" not in html.get_content()
    assert box.recipients == [["a@example.com"]]
    assert box.mails[0]["Bcc"] is None


def today(world: World) -> date:
    found: date = world.value("SELECT (clock() AT TIME ZONE 'UTC')::date")
    return found


def ended(world: World, run_id: int) -> None:
    compared(world, run_id)
    assert finished(world, run_id)


def test_a_day_that_goes_on_is_begun_anew_at_each_look_and_when_it_is_over(world: World) -> None:
    day = today(world)
    run = night._opened(world.runtime, "safe", day)
    assert (run.state, run.over) == ("fetching", False)
    line = BookLine("payment", "7", "x", 100, "MNT", None, None, None, touched=True)
    with world.runtime.database.transaction() as connection:
        runs.keep(connection, run.id, [line], accounts=["7"], position={"page": 2})
    assert night._opened(world.runtime, "safe", day).lines == 1, "a killed look is gone on with"
    ended(world, run.id)
    anew = night._opened(world.runtime, "safe", day)
    assert (anew.id, anew.state, anew.lines) == (run.id, "fetching", 0)
    assert world.value("SELECT count(*) FROM provider_lines") == 0
    world.advance(86_400)
    whole = night._opened(world.runtime, "safe", day)
    assert (whole.id, whole.state, whole.over) == (run.id, "fetching", True), "also one that was never done"
    ended(world, run.id)
    assert night._opened(world.runtime, "safe", day).state == "done", "from then on it stays as it is"


def test_a_look_at_a_day_that_goes_on_is_nobodys_news(world: World) -> None:
    run = night._opened(world.runtime, "safe", today(world))
    with world.runtime.database.connection() as connection:
        assert not nights.to_mail(connection, run.id)
    ended(world, run.id)
    assert told(world) == []
    world.advance(86_400)
    night._opened(world.runtime, "safe", run.day)
    with world.runtime.database.connection() as connection:
        assert nights.to_mail(connection, run.id)
    ended(world, run.id)
    assert [event_id for event_id, _ in told(world)] == [f"r{run.id}-1"]


def test_a_day_that_has_not_begun_is_refused(world: World) -> None:
    with pytest.raises(night.NotCompared, match="has not begun in UTC"):
        night._opened(world.runtime, "safe", today(world) + timedelta(days=1))

"""The list over many nights, the books as evidence, and runs that die and start again."""

from typing import Any

import pytest

from shared.payments.dispute import dispute_evidence
from shared.payments.look import Unresolvable
from shared.reconciliation import discrepancies, evidence
from shared.reconciliation.compare import compare
from shared.reconciliation.store import runs, to_read
from tests.support.flow import World
from tests.support.nights import LINES, TOTALS, Night
from tests.support.references import new_reference


@pytest.fixture
def night(world: World) -> Night:
    return Night(world)


def kept(world: World) -> list[Any]:
    """All that a comparison leaves behind, but for the moment of comparing."""
    tables: list[Any] = [
        world.rows(f"SELECT * FROM {table} ORDER BY {order}")
        for table, order in (
            ("findings", "run_id, identity"),
            ("reconciled_payments", "run_id, payment_id"),
            ("discrepancies", "id"),
            ("payments", "id"),
            ("checks", "payment_id, number"),
            ("events", "id"),
        )
    ]
    return tables + world.rows("SELECT totals, state, unread FROM reconciliations ORDER BY id")


@pytest.mark.parametrize("state", ["unknown", "parked"])
def test_a_line_settles_a_payment_that_nobody_knew_about(night: Night, state: str) -> None:
    ours = night.payment("7", 100, state)
    outcome = night.compare(night.line("7", 100, ours, reference="R-1"))
    assert outcome.totals == {"status_mismatch": (1, 0, 100)}
    assert (outcome.used, outcome.fresh, night.open()) == (1, 0, [])
    assert night.world.state(ours) == "succeeded"
    assert night.world.events(ours) == ["succeeded"]
    (check,) = night.world.rows("SELECT * FROM checks")
    assert (check["verdict"], check["evidence"]["line"]["reference"]) == ("applied", "R-1")
    (row,) = night.world.rows("SELECT * FROM discrepancies")
    assert (row["resolved_by"], row["identity"]) == ("books", f"status_mismatch:{ours}")


def test_what_the_books_settled_is_no_news_on_the_night_it_ended_here(night: Night) -> None:
    ours = night.payment("7", 100, "unknown")
    line = night.line("7", 100, ours)
    night.compare(line)
    night.next()
    assert night.compare(line).totals == {"matched": (1, 100, 100)}


@pytest.mark.parametrize("amounts", [(99,), (100, 100), (100, 1)])
def test_a_line_that_is_not_exactly_the_payment_settles_nothing(night: Night, amounts: tuple[int, ...]) -> None:
    ours = night.payment("7", 100, "parked")
    outcome = night.compare(*(night.line("7", amount, ours) for amount in amounts))
    assert (outcome.used, night.world.state(ours)) == (0, "parked")
    assert outcome.sums == (0, sum(amounts))


def test_a_check_that_was_under_way_moves_nothing_after_the_books(night: Night) -> None:
    ours = night.payment("7", 100, "unknown")
    night.world.execute("UPDATE payments SET checks = 3")
    night.world.execute("INSERT INTO checks VALUES (%s, 3, clock(), 'inconclusive', '', '{}')", ours)
    night.compare(night.line("7", 100, ours))
    assert night.world.payment(ours)["checks"] == 4
    assert night.world.value("SELECT max(number) FROM checks") == 4


def test_the_same_finding_on_two_nights_is_one_row_and_closes_when_the_books_agree(night: Night) -> None:
    ours = night.payment("7", 100)
    assert night.compare(accounts=["7"]).fresh == 1
    night.next()
    assert night.compare(accounts=["7"]).fresh == 0
    (row,) = night.world.rows("SELECT *, last_seen - first_seen AS age FROM discrepancies")
    assert (row["age"].days, row["run_id"]) == (1, night.runs[0].id)
    night.next()
    night.compare(night.line("7", 100, ours, at=night.at(-36)))
    assert night.open() == []
    (row,) = night.world.rows("SELECT * FROM discrepancies")
    assert row["resolved_by"] == "books"
    assert row["resolved_at"] == night.runs[-1].fetched_at


def test_a_finding_that_comes_back_opens_its_row_again(night: Night) -> None:
    lost = new_reference()
    night.payment("7", 1, "unknown")
    line = night.line("7", 100, lost)
    night.compare(line)
    night.next()
    night.compare(accounts=["7"])
    identity = f"missing_locally:careful:7:{lost}"
    assert identity not in night.open()
    night.next()
    assert night.compare(night.line("7", 100, lost)).fresh == 1
    assert identity in night.open()
    assert night.world.value("SELECT count(*) FROM discrepancies WHERE identity = %s", identity) == 1


def test_a_line_of_another_night_stays_in_sight_while_it_is_open(night: Night) -> None:
    night.payment("7", 1, "unknown")
    line = night.line("7", 20, "cash", reference="R-1")
    night.compare(line)
    night.next()
    outcome = night.compare(line)
    assert [f.category for f in outcome.found] == ["paid_elsewhere", "still_unknown"]
    assert (outcome.totals, outcome.changed, outcome.fresh) == ({}, (0, 0), 0)


def test_what_no_run_looked_at_stays_open(night: Night) -> None:
    ours, lost = night.payment("7", 100), new_reference()
    night.compare(night.line("9", 40, lost, touched=False), accounts=["7"])
    before = night.open()
    assert before == [f"missing_at_provider:{ours}", f"missing_locally:careful:9:{lost}"]
    night.next()
    night.compare()
    assert night.open() == before


def test_a_payment_that_was_missing_here_and_came_back_closes_its_row(night: Night) -> None:
    ours = night.payment("9", 40)
    line = night.line("9", 40, ours, touched=False)
    night.world.execute("CREATE TEMP TABLE lost AS SELECT * FROM payments")
    night.world.execute("DELETE FROM payments")
    assert night.compare(line).totals == {"missing_locally": (1, 0, 40)}
    night.world.execute("INSERT INTO payments SELECT * FROM lost")
    night.next()
    night.compare()
    assert night.open() == []


def test_what_a_person_closed_stays_closed_unless_its_figures_change(night: Night) -> None:
    ours = night.payment("7", 100)
    run = night.compare(night.line("7", 90, ours)).run
    number = night.world.value("SELECT id FROM discrepancies")
    discrepancies.close(night.world.runtime.database, number, reason="a fee", by="Nomin")
    assert night.carry_on(run).fresh == 0
    assert night.open() == []
    night.next()
    night.world.execute("UPDATE provider_lines SET amount_minor = 8000")
    night.world.execute("UPDATE reconciliations SET fetched_at = clock()")
    with night.world.runtime.database.connection() as connection:
        read_again = runs.get(connection, run.id)
    assert night.carry_on(read_again).fresh == 1


@pytest.mark.parametrize(
    ("reason", "by", "wrong"),
    [("", "Nomin", ValueError), ("why", " ", ValueError), ("why", "books", ValueError), ("x" * 501, "N", ValueError)],
)
def test_closing_needs_a_reason_and_a_person(night: Night, reason: str, by: str, wrong: type[Exception]) -> None:
    night.payment("7", 100)
    night.compare(accounts=["7"])
    with pytest.raises(wrong):
        discrepancies.close(night.world.runtime.database, 1, reason=reason, by=by)
    assert len(night.open()) == 1


def test_closing_what_is_closed_or_not_there_says_so(night: Night) -> None:
    night.payment("7", 100)
    night.compare(accounts=["7"])
    database, number = night.world.runtime.database, night.world.value("SELECT id FROM discrepancies")
    discrepancies.close(database, number, reason="why", by="Nomin")
    with pytest.raises(Unresolvable, match="was closed before, by Nomin"):
        discrepancies.close(database, number, reason="why", by="Bat")
    with pytest.raises(Unresolvable, match="no discrepancy 9999"):
        discrepancies.close(database, 9999, reason="why", by="Bat")


def test_late_evidence_and_the_books_tell_of_the_same_row(night: Night) -> None:
    ours = night.payment("7", 100, "refused")
    dispute_evidence(night.world.runtime, ours, {"attempt": 1})
    outcome = night.compare(night.line("7", 100, ours))
    assert night.open() == [f"paid_there_failed_here:{ours}"]
    assert outcome.fresh == 1, "no report told of it before"
    assert night.world.events(ours) == ["disputed"]


def test_late_evidence_opens_what_the_books_closed(night: Night) -> None:
    ours = night.payment("7", 100, "refused")
    night.compare(night.line("7", 100, ours))
    night.next()
    night.compare(accounts=["7"])
    assert night.open() == []
    dispute_evidence(night.world.runtime, ours, {"attempt": 1})
    assert night.open() == [f"paid_there_failed_here:{ours}"]


def test_an_old_night_compared_again_says_nothing_about_what_was_found_since(night: Night) -> None:
    ours = night.payment("7", 100)
    old = night.compare(night.line("7", 100, ours)).run
    night.next()
    night.payment("7", 1, "unknown")
    night.compare(night.line("7", 100, ours), night.line("7", 100, ours))
    before = night.world.rows("SELECT * FROM discrepancies ORDER BY id")
    night.carry_on(old)
    assert night.world.rows("SELECT * FROM discrepancies ORDER BY id") == before


def test_every_step_can_be_done_again_and_changes_nothing(night: Night) -> None:
    refused, unknown = night.payment("7", 100, "refused"), night.payment("7", 30, "parked")
    night.payment("7", 5)
    outcome = night.compare(night.line("7", 100, refused), night.line("7", 30, unknown), night.line("7", 1, "cash"))
    before = kept(night.world)
    runtime, run = night.world.runtime, outcome.run
    assert evidence.use(runtime, run) == 1
    assert discrepancies.update(runtime, run) == outcome.fresh == 3
    assert kept(night.world) == before


@pytest.mark.parametrize(("verb", "table"), [("INSERT", "findings"), ("UPDATE", "reconciliations")])
def test_a_comparison_that_dies_leaves_nothing_and_started_again_finds_the_same(
    night: Night, verb: str, table: str
) -> None:
    world = night.world
    refused, missing = night.payment("7", 100, "refused"), night.payment("7", 30)
    run = night.read(night.line("7", 100, refused))
    world.execute("CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''dead''; END'")
    try:
        world.execute(f"CREATE TRIGGER die AFTER {verb} ON {table} EXECUTE FUNCTION die()")
        with pytest.raises(Exception, match="dead"):
            compare(world.runtime, run)
    finally:
        world.execute("DROP FUNCTION die CASCADE")
    assert world.value("SELECT state FROM reconciliations") == "fetched"
    assert world.value("SELECT count(*) FROM findings") + world.value("SELECT count(*) FROM reconciled_payments") == 0
    night.carry_on(run)
    assert night.open() == [f"missing_at_provider:{missing}", f"paid_there_failed_here:{refused}"]


def test_a_run_is_opened_once_and_resumed_where_it_stood(night: Night) -> None:
    night.payment("7", 100)
    night.read(night.line("7", 100, "x"), accounts=["7"])
    night.world.execute("UPDATE reconciliations SET state = 'fetching', fetched_at = NULL")
    database = night.world.runtime.database
    with database.transaction() as connection:
        run = runs.get(connection, night.world.value("SELECT id FROM reconciliations"))
        runs.keep(connection, run.id, [night.line("8", 1, "y\0")], position={"page": 2})
    with database.connection() as connection:
        assert runs.position(connection, run.id) == {"page": 2}
        assert runs.get(connection, run.id).lines == 2
        runs.fetched(connection, run.id)
        with pytest.raises(RuntimeError, match="not being fetched"):
            runs.keep(connection, run.id, [], position=None)
    rows = night.world.rows("SELECT number, marker, ours FROM provider_lines ORDER BY number")
    assert [(r["number"], r["marker"], r["ours"]) for r in rows] == [(1, "x", False), (2, "y\ufffd", False)]


def test_the_accounts_to_read_are_those_of_the_payments_and_of_what_is_open(night: Night) -> None:
    night.payment("b", 1)
    night.payment("a", 1)
    night.payment("a", 2, "unknown")
    night.payment("open", 3, hour=-100)
    night.payment("other night", 4, hour=-100)
    night.world.execute(
        """INSERT INTO discrepancies (category, provider, identity, account, evidence)
        VALUES ('paid_elsewhere', 'careful', 'x', 'open', '{}')"""
    )
    run = night.read(accounts=[])
    with night.world.runtime.database.transaction() as connection:
        to_read.collect(connection, run)
        first = to_read.left(connection, run.id, 0, 2)
        rest = to_read.left(connection, run.id, first[-1].number, 2)
    assert [(one.number, one.account) for one in (*first, *rest)] == [(1, "a"), (2, "b"), (3, "open")]


@pytest.mark.parametrize("provider", [LINES, TOTALS])
def test_a_night_without_payments_is_empty(world: World, provider: str) -> None:
    outcome = Night(world, provider).compare()
    assert (outcome.totals, outcome.found, outcome.fresh) == ({}, [], 0)

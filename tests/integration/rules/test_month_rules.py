"""A month of nights on a clock that is moved: whatever comes, moves and goes, its days add up and stay as they were."""

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.domain.records import BookLine
from shared.reconciliation import report
from shared.reconciliation.statement.period import Span
from shared.reconciliation.statement.write import write
from shared.reconciliation.store import runs
from tests.support.flow import World
from tests.support.nights import LINES, Night
from tests.support.size import sized

pytestmark = pytest.mark.large

NIGHTS = sized(8, 30)


class Month:
    """Payments of a provider's, its ledger, and what each night's books show of it."""

    def __init__(self, night: Night, seed: str) -> None:
        self.night, self.rng = night, random.Random(seed)
        self.ledger: list[BookLine] = []  # what the provider has booked
        self.later: list[BookLine] = []  # what it books the next day
        self.unknown: list[int] = []
        self.refused: list[int] = []

    def day(self) -> None:
        """A day's payments, most of which are simply there."""
        night, rng = self.night, self.rng
        self.ledger += self.later
        self.later = []
        for _ in range(rng.randint(2, 5)):
            amount = rng.randint(1, 500)
            kind = rng.choice(["fine", "fine", "missing", "later", "twice", "other", "unknown", "refused", "refund"])
            state = kind if kind in ("unknown", "refused") else "succeeded"
            sign, operation = (-1, "refund") if kind == "refund" else (1, "settle")
            ours = night.payment("7", amount, state, hour=rng.randint(1, 22), operation=operation)
            line = night.line("7", sign * amount, ours)
            if kind == "unknown":
                self.unknown.append(ours)
            if kind == "refused":
                self.refused.append(ours)
            lines = {"fine": [line], "refund": [line], "twice": [line, line], "later": []}
            lines |= {"other": [night.line("7", amount + 3, ours)]}
            self.ledger += lines.get(kind, [])
            if kind == "later":
                self.later.append(night.line("7", amount, ours, at=night.at(30)))
        if rng.random() < 0.4:
            self.ledger.append(night.line("7", rng.randint(1, 50), "cash", reference=f"C-{len(self.ledger)}"))

    def ends(self) -> None:
        """Some that nobody knew about end, some refused ones turn out to be booked, some strange lines go."""
        night, rng = self.night, self.rng
        if self.unknown and rng.random() < 0.6:
            ours = self.unknown.pop()
            if rng.random() < 0.5:  # the books show it
                self.ledger.append(night.line("7", self._amount(ours), ours))
            else:
                night.world.execute("UPDATE payments SET state = 'succeeded', due_at = NULL WHERE id = %s", ours)
                night.world.execute("UPDATE payments SET finished_at = %s WHERE id = %s", night.at(20), ours)
        if self.refused and rng.random() < 0.4:
            ours = self.refused.pop()
            self.ledger.append(night.line("7", self._amount(ours), ours))
        strange = [line for line in self.ledger if line.marker == "cash"]
        if strange and rng.random() < 0.3:
            self.ledger.remove(strange[0])

    def _amount(self, payment_id: int) -> int:
        return int(self.night.world.payment(payment_id)["amount_minor"]) // 100


def files(world: World, run_id: int, folder: Path) -> dict[str, bytes]:
    with world.runtime.database.connection() as connection:
        run = runs.get(connection, run_id)
    report.write(world.runtime, run, folder, "en")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def written(world: World, span: Span, folder: Path) -> Any:
    """The statement's summary."""
    runtime = world.runtime
    return write(runtime.database, runtime.registrations[LINES], span, folder, locale="en")


def minor(text: str) -> int:
    return int(text.replace(".", ""))


def test_the_days_of_a_month_add_up_to_both_ledgers_and_stay_as_they_were(world: World, tmp_path: Path) -> None:
    night = Night(world)
    month = Month(night, "a month")
    first = night.day.date()
    told: dict[int, dict[str, bytes]] = {}
    for _ in range(NIGHTS):
        month.day()
        month.ends()
        outcome = night.compare(*month.ledger, accounts=["7"])
        told[outcome.run.id] = files(world, outcome.run.id, tmp_path / str(outcome.run.id))
        own = json.loads(told[outcome.run.id]["summary.json"])["sums"]
        ended = world.value(
            """SELECT coalesce(sum(CASE operation WHEN 'settle' THEN amount_minor ELSE -amount_minor END), 0)
            FROM payments WHERE state = 'succeeded' AND finished_at >= %s AND finished_at < %s""",
            night.day,
            night.day + timedelta(days=1),
        )
        assert sum(minor(one["our_books"]) for one in own) == ended, "a day's sum is of that day alone"
        night.next()

    ours = world.value(
        """SELECT sum(CASE operation WHEN 'settle' THEN amount_minor ELSE -amount_minor END) FROM payments
        WHERE state = 'succeeded' AND finished_at < %s""",
        night.day,
    )
    theirs = sum(line.amount_minor for line in month.ledger)
    span = Span("the month", first, night.day.date())
    summary: Any = written(world, span, tmp_path / "statement")
    assert summary["complete"]
    (days,), (changes,) = summary["sums"], summary["changes_of_earlier_days"]
    assert minor(days["our_books"]) + minor(changes["our_books"]) == ours
    assert minor(days["providers_books"]) + minor(changes["providers_books"]) == theirs
    for name, whole, of_day in (
        ("our_books", days["our_books"], "our_books"),
        ("providers_books", days["providers_books"], "providers_books"),
        ("our_books", changes["our_books"], "earlier_days_our_books"),
        ("providers_books", changes["providers_books"], "earlier_days_providers_books"),
    ):
        assert sum(minor(day[of_day]) for day in summary["days"] if day["currency"]) == minor(whole), (name, of_day)
    assert sum(minor(one["our_books"]) for one in summary["sources"]) == minor(days["our_books"])
    (moves,) = summary["discrepancies"]
    assert moves["opening"] + moves["new"] - moves["closed"] == moves["open"] == len(night.open()) > 0
    assert summary["days"][-1]["open"] == moves["open"]

    for run_id, before in told.items():
        assert files(world, run_id, tmp_path / "again") == before, "rerunning any day changes no byte"
    again: Any = written(world, span, tmp_path / "again2")
    assert again == summary
    for path in (tmp_path / "statement").iterdir():
        assert (tmp_path / "again2" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_statement_begins_with_what_was_carried_forward_into_it(world: World, tmp_path: Path) -> None:
    night = Night(world)
    old = night.payment("7", 100)
    night.compare(accounts=["7"])
    night.next()
    second = night.day.date()
    night.payment("7", 30, "parked")
    night.compare(night.line("7", 100, old, at=night.at(-3)), accounts=["7"])
    span = Span("a day", second, second + timedelta(days=1))
    told: Any = written(world, span, tmp_path)
    (moves,) = told["discrepancies"]
    counts = {name: moves[name] for name in ("opening", "new", "closed", "open")}
    assert counts == {"opening": 1, "new": 1, "closed": 1, "open": 1}
    assert (moves["opening_in_question"], moves["open_in_question"]) == ("100.00", "30.00")
    page = (tmp_path / "statement.html").read_text("utf-8")
    assert "settlepipe discrepancies close" in page
    assert f"shop/ord-{old}" in page

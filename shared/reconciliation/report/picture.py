"""What a report says, gathered: everything that its page and its summary show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import discrepancies
from shared.database.engine import Connection
from shared.domain.discrepancies import Category, Reconciliation, Total
from shared.domain.words import mark
from shared.reconciliation.report.words import WORDS, Weight, words
from shared.reconciliation.store import reports
from shared.reconciliation.store.reports import Age, Change, Hour, Kept, Shown, Stake

ROWS = 200  # of a category, on the page; the file has all of them
STATES = ("succeeded", "refused", "cancelled", "open")
_FINAL = STATES[:3]

# Arisen so many days before the run's day, at least.
AGES: Sequence[tuple[int, str]] = (
    (0, mark("New today")),
    (1, mark("1 day")),
    (2, mark("2 to 6 days")),
    (7, mark("7 to 29 days")),
    (30, mark("30 days or more")),
)


@dataclass(frozen=True, slots=True)
class Sums:
    """The headline in one currency. difference: ours less theirs."""

    currency: str
    local_minor: int
    provider_minor: int
    totals: Sequence[Total]

    @property
    def difference_minor(self) -> int:
        """What our books have more than theirs."""
        return self.local_minor - self.provider_minor


@dataclass(frozen=True, slots=True)
class Bucket:
    """Open discrepancies of one age. counts: by weight. minor: by currency, what is in question."""

    title: str
    counts: Mapping[str, int]
    minor: Mapping[str, int]

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Picture:
    """One run. provider_title: as people call it. fresh: open findings that nobody had seen before.

    findings, stakes: of the run's own day. carried: what was open of
    earlier days, and closed since the night before. changes: what that changed about the sums of earlier days.

    hours: payments by state for each hour of the period; outside: those that came in, or ended, outside of it.
    """

    run: Reconciliation
    provider_title: str
    zone: str
    fresh: int
    findings: Sequence[Shown]
    carried: Sequence[Shown]
    changes: Sequence[Change]
    stakes: Sequence[Stake]
    ages: Sequence[Age]
    hours: Sequence[Mapping[str, int]]
    outside: int

    @property
    def sums(self) -> Sequence[Sums]:
        """By currency, in its order; in each the categories in the order of their list."""
        order = {category: place for place, category in enumerate(Category)}
        by_currency: dict[str, list[Total]] = {}
        for total in sorted(self.run.totals, key=lambda t: (t.currency, order[t.category])):
            by_currency.setdefault(total.currency, []).append(total)
        return [
            Sums(currency, sum(t.local_minor for t in totals), sum(t.provider_minor for t in totals), totals)
            for currency, totals in by_currency.items()
        ]

    def weighed(self) -> dict[Weight, int]:
        """How many entries agree, differed and are closed, are to be watched, are to be acted on."""
        counts = dict.fromkeys(Weight, 0)
        for category in Category:
            closed, urgent = self.settled(category), self.urgent(category)
            counts[Weight.SETTLED] += closed
            counts[Weight.ACT] += urgent
            counts[WORDS[category].weight] += self.count(category) - closed - urgent
        return counts

    def settled(self, category: Category) -> int:
        """How many of a category are closed already."""
        return sum(stake.settled for stake in self.stakes if stake.category == category)

    def urgent(self, category: Category) -> int:
        """How many need action of a category most of which resolves itself; none of one that needs it anyway."""
        if WORDS[category].weight is Weight.ACT:
            return 0
        return sum(stake.urgent for stake in self.stakes if stake.category == category)

    def in_question(self, category: Category) -> Mapping[str, int]:
        """Money in question of a category, by currency."""
        return {stake.currency: stake.minor for stake in self.stakes if stake.category == category and stake.minor}

    def weight(self, category: Category) -> Weight:
        """What is to be done about a category: nothing where all of it is closed."""
        open_ones = self.count(category) - self.settled(category)
        if self.urgent(category):
            return Weight.ACT
        return WORDS[category].weight if open_ones else Weight.SETTLED

    def count(self, category: Category) -> int:
        """How many of a category, in all currencies."""
        return sum(total.count for total in self.run.totals if total.category == category)

    @property
    def found(self) -> Sequence[tuple[Category, Sequence[Shown]]]:
        """The tables of findings: what is to be acted on comes first."""
        shown = [(c, [f for f in self.findings if f.category == c]) for c in Category if c is not Category.MATCHED]
        weights = list(Weight)
        return sorted(((c, rows) for c, rows in shown if rows), key=lambda one: -weights.index(self.weight(one[0])))

    @property
    def buckets(self) -> Sequence[Bucket]:
        """What is open, by age."""
        return [_bucket(title, [age for age in self.ages if _title(age.days) == title]) for _, title in AGES]

    @property
    def open(self) -> int:
        """All discrepancies of the provider that the run left open."""
        return sum(age.count for age in self.ages)

    def starts(self) -> Iterator[datetime]:
        """When each hour of the period begins."""
        for number in range(len(self.hours)):
            yield self.run.period_from + timedelta(hours=number)


def gather(connection: Connection, run: Reconciliation, kept: Kept, title: str, zone: str) -> Picture:
    """Read it, in the caller's transaction (`reports.snapshot`)."""
    return Picture(
        run=run,
        provider_title=title,
        zone=zone,
        fresh=discrepancies.fresh(connection, run.id),
        findings=list(reports.findings(connection, run, ROWS)),
        carried=list(reports.carried(connection, run, ROWS)),
        changes=kept.changes,
        stakes=reports.stakes(connection, run),
        ages=reports.ages(connection, run),
        hours=_by_hour(kept.hours, run),
        outside=sum(hour.count for hour in kept.hours if hour.hour < 0),
    )


def _by_hour(hours: Sequence[Hour], run: Reconciliation) -> list[Mapping[str, int]]:
    number = -((run.period_from - run.period_to) // timedelta(hours=1))
    columns = [dict.fromkeys(STATES, 0) for _ in range(number)]
    for hour in hours:
        if hour.hour >= 0:
            columns[hour.hour][hour.state if hour.state in _FINAL else "open"] += hour.count
    return list(columns)


def _title(days: int) -> str:
    return next(title for least, title in reversed(AGES) if days >= least)


def _bucket(title: str, ages: Sequence[Age]) -> Bucket:
    counts = {str(weight): 0 for weight in (Weight.ACT, Weight.WATCH)}
    minor: dict[str, int] = {}
    for age in ages:
        counts[str(Weight.ACT if age.urgent else words(age.category).weight)] += age.count
        if age.currency is not None:
            minor[age.currency] = minor.get(age.currency, 0) + age.minor
    return Bucket(title, counts, minor)

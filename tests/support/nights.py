"""Nights of reconciliation on made-up books: our payments as rows, the provider's lines as they were read.

Money is in whole units of 100 minor ones; times are hours of the night's day in UTC, which is yesterday by the
database's clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.discrepancies import Compared, Finding, Reconciliation
from shared.domain.records import BookLine, Period
from shared.reconciliation import discrepancies, evidence
from shared.reconciliation.compare import compare
from shared.reconciliation.store import reports
from shared.reconciliation.store import runs as reconciliation
from shared.reconciliation.store.reports import Change
from tests.support.flow import World
from tests.support.references import new_reference

LINES, TOTALS = "careful", "safe"  # a provider whose books have a line for each payment, and one with totals only
NOON = 12.0


@dataclass
class Night:
    """A provider's books and ours over some nights."""

    world: World
    provider: str = LINES
    runs: list[Reconciliation] = field(default_factory=list)

    @property
    def day(self) -> datetime:
        """The beginning of the day that is compared: yesterday."""
        now: datetime = self.world.value("SELECT clock()")
        return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)

    def at(self, hour: float) -> datetime:
        return self.day + timedelta(hours=hour)

    def payment(
        self,
        account: str,
        amount: int,
        state: str = "succeeded",
        *,
        hour: float = NOON,
        operation: str = "settle",
        settle: int | None = None,
        sent: bool = True,
        currency: str = "MNT",
    ) -> int:
        """One of ours that came and, in a final state, ended at this hour; its id."""
        final = state in ("succeeded", "refused", "cancelled")
        due = not final and state != "parked"
        key = f"{self.provider}:{account}"
        number = int(self.world.value("SELECT nextval('payment_ids')"))
        self.world.execute(
            """INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places,
                paid_at, target, refund_of, settle_id, sent_reference, state, finished_at, created_at, due_at,
                path, body, body_sha256, books_key, exclusive_key, attempts, possibly_sent)
            VALUES (%s, 'shop', 'ord-' || %s::text, %s, %s, %s, %s, 2, %s, jsonb_build_object('account', %s::text),
                CASE WHEN %s = 'refund' THEN 'ord' END, %s, %s, %s, %s, %s, CASE WHEN %s THEN clock() END, '/', 'x',
                sha256('x'), %s, %s, %s, %s)""",
            *(number, number, self.provider, operation, amount * 100, currency, self.at(hour), account, operation),
            *(settle, new_reference(), state, self.at(hour) if final else None, self.at(hour), due),
            *(key if self.provider == LINES else None, key if self.provider == TOTALS else None),
            *(int(sent), sent and state != "cancelled"),
        )
        return number

    def marker(self, payment_id: int) -> str:
        return str(self.world.payment(payment_id)["sent_reference"])

    def line(self, account: str, amount: int, marker: str | int | None = None, **fields: Any) -> BookLine:
        """A payment at noon in their books; marker: the text, or the id of one of ours."""
        given: dict[str, Any] = {
            "kind": "payment",
            "account": account,
            "marker": self.marker(marker) if isinstance(marker, int) else marker,
            "amount_minor": amount * 100,
            "currency": "MNT",
            "at": self.at(NOON),
            "reference": None,
            "status": None,
            "touched": True,
        }
        return BookLine(**(given | fields))

    def total(self, account: str, paid: int, **fields: Any) -> BookLine:
        """An invoice and what it was paid in all."""
        return self.line(account, paid, **({"kind": "total", "at": None, "status": "PAID"} | fields))

    def read(
        self, *lines: BookLine, accounts: Iterable[str] = (), missing: str | None = None, back: int = 0
    ) -> Reconciliation:
        """Read the books: these lines, everything under their accounts and under `accounts`. back: of so many days
        before the night's."""
        whole = {line.account for line in lines if line.touched} | set(accounts)
        start = self.day - timedelta(days=back)
        period = Period(start, start + timedelta(days=1), "UTC")
        with self.world.runtime.database.transaction() as connection:
            run = reconciliation.open_run(connection, self.provider, start.date(), period)
            reconciliation.keep(connection, run.id, lines, accounts=whole, position=None)
        with self.world.runtime.database.connection() as connection:
            return reconciliation.fetched(connection, run.id, missing)

    def compare(self, *lines: BookLine, accounts: Iterable[str] = ()) -> "Outcome":
        """A whole night with these books."""
        return self.carry_on(self.read(*lines, accounts=accounts))

    def carry_on(self, run: Reconciliation) -> "Outcome":
        """Compare what was read, and do what follows."""
        runtime = self.world.runtime
        run = compare(runtime, run)
        self.runs.append(run)
        with runtime.database.connection() as connection:
            found = list(reconciliation.findings(connection, run.id))
            payments = list(reconciliation.payments(connection, run.id))
        used = evidence.use(runtime, run)
        fresh = discrepancies.update(runtime, run)
        with runtime.database.connection() as connection:
            return Outcome(run, found, payments, used, fresh, reports.kept(connection, run.id).changes)

    def next(self) -> None:
        """A day passes."""
        self.world.advance(86_400)

    def open(self) -> list[str]:
        """The identities of the open discrepancies, in order."""
        rows = self.world.rows("SELECT identity FROM discrepancies WHERE resolved_at IS NULL ORDER BY identity")
        return [row["identity"] for row in rows]


@dataclass
class Outcome:
    """What a night came to. fresh: open discrepancies that it opened; used: payments that its evidence settled."""

    run: Reconciliation
    found: list[Finding]
    payments: list[Compared]
    used: int
    fresh: int
    changes: Sequence[Change]

    @property
    def totals(self) -> Mapping[str, tuple[int, int, int]]:
        """Category to (count, ours, theirs), in whole units; of one currency."""
        return {t.category.value: (t.count, t.local_minor // 100, t.provider_minor // 100) for t in self.run.totals}

    @property
    def changed(self) -> tuple[int, int]:
        """What it changed about the sums of earlier days, in whole units; of one currency."""
        return sum(c.local_minor for c in self.changes) // 100, sum(c.provider_minor for c in self.changes) // 100

    @property
    def identities(self) -> list[str]:
        return sorted(finding.identity for finding in self.found)

    @property
    def sums(self) -> tuple[int, int]:
        """All of ours, and all of theirs, whatever the currency."""
        totals = self.run.totals
        return sum(t.local_minor for t in totals) // 100, sum(t.provider_minor for t in totals) // 100

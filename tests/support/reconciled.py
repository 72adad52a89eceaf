"""What a compared run leaves in the database, written directly: a report reads nothing else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shared import discrepancies
from shared.database.engine import Connection
from shared.domain.discrepancies import Category, Reconciliation
from shared.reconciliation.store import reports, runs
from tests.support.references import new_reference

DAY = date(2026, 11, 21)

_PAYMENTS = """
INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at, target,
    refund_of, created_at, state, possibly_sent, attempts, sent_reference, path, body, body_sha256, finished_at)
SELECT nextval('payment_ids'), %(source)s, %(intent)s || CASE WHEN %(count)s > 1 THEN '-' || n ELSE '' END,
    %(provider)s, %(operation)s, %(minor)s, %(currency)s, %(places)s, %(at)s, '{}',
    CASE %(operation)s WHEN 'refund' THEN 'x' END,
    %(at)s + (n * %(step)s), %(state)s, true, 1, %(reference)s || CASE WHEN %(count)s > 1 THEN n::text ELSE '' END,
    '/', 'x', sha256('x'), CASE WHEN %(final)s THEN %(at)s + (n * %(step)s) END
FROM generate_series(1, %(count)s) n RETURNING id
"""

_ITS_TABLE = "CREATE TABLE IF NOT EXISTS reconciled_payments_{0} PARTITION OF reconciled_payments FOR VALUES IN ({0})"
_COMPARED = """
INSERT INTO reconciled_payments (run_id, payment_id, account, category, state, finished_at, currency, local_minor,
    provider_minor)
SELECT %(run)s, id, %(account)s, %(category)s, state, finished_at, currency, %(local)s, %(theirs)s
FROM payments WHERE id = ANY(%(ids)s)
"""


@dataclass
class ReportedNight:
    """A run, to which payments and findings are added; `compared` ends it."""

    connection: Connection
    provider: str = "safe"
    zone: str = "UTC"
    day: date = DAY
    currency: str = "MNT"
    places: int = 2
    totals: dict[tuple[Category, str], list[int]] = field(default_factory=dict)
    run_id: int = 0

    def __post_init__(self) -> None:
        start = datetime.combine(self.day, datetime.min.time(), ZoneInfo(self.zone))
        self.start = start.astimezone(UTC)
        end = datetime.combine(self.day + timedelta(days=1), datetime.min.time(), ZoneInfo(self.zone)).astimezone(UTC)
        row = self.connection.execute(
            """INSERT INTO reconciliations (provider, day, period_from, period_to, state, started_at, fetched_at, lines)
            VALUES (%s, %s, %s, %s, 'fetched', %s, %s, 7) RETURNING id""",
            (self.provider, self.day, self.start, end, end + timedelta(minutes=30), end + timedelta(minutes=40)),
        ).fetchone()
        assert row is not None
        self.run_id = int(row["id"])

    def pay(
        self,
        count: int = 1,
        *,
        minor: int = 10_000,
        state: str = "succeeded",
        category: Category = Category.MATCHED,
        operation: str = "settle",
        hour: float = 8,
        every_s: float = 1,
        intent: str | None = None,
        source: str = "shop",
        account: str = "acc-1",
        local: int | None = None,
        theirs: int | None = None,
    ) -> list[int]:
        """Payments that the run looked at. local, theirs: what each adds to the sums; None: as when they agree."""
        sign = -1 if operation == "refund" else 1
        adds = sign * minor if state == "succeeded" else 0
        local = adds if local is None else local
        theirs = adds if theirs is None else theirs
        given: dict[str, Any] = {
            "source": source,
            "intent": intent or f"ord-{new_reference()[10:]}",
            "provider": self.provider,
            "operation": operation,
            "minor": minor,
            "currency": self.currency,
            "places": self.places,
            "at": self.start + timedelta(hours=hour),
            "step": timedelta(seconds=every_s),
            "count": count,
            "state": state if state in ("succeeded", "refused", "cancelled") else "accepted",
            "final": state in ("succeeded", "refused", "cancelled"),
            "reference": new_reference(),
        }
        # an open one must not be due, in a world without workers: held is enough for a report
        statement = _PAYMENTS if given["final"] else _PAYMENTS.replace("%(state)s, true", "'accepted', true")
        if not given["final"]:
            statement = statement.replace("finished_at)\nSELECT", "finished_at, hold_reason)\nSELECT").replace(
                "END\nFROM generate", "END, 'made_up'\nFROM generate"
            )
        ids = [row["id"] for row in self.connection.execute(statement, given).fetchall()]
        self.connection.execute(_ITS_TABLE.format(self.run_id).encode())
        self.connection.execute(
            _COMPARED,
            {
                "run": self.run_id,
                "ids": ids,
                "account": account,
                "category": category,
                "local": local,
                "theirs": theirs,
            },
        )
        if not given["final"]:
            self.connection.execute(
                "UPDATE reconciled_payments SET state = %s WHERE run_id = %s AND payment_id = ANY(%s)",
                (state, self.run_id, ids),
            )
        if category is Category.MATCHED:
            self._add(category, self.currency, count, local * count, theirs * count)
        return ids

    def find(
        self,
        category: Category,
        *,
        local: int = 0,
        theirs: int = 0,
        evidence: Mapping[str, Any] | None = None,
        account: str = "acc-1",
        identity: str | None = None,
        days_ago: int = 0,
        closed: Sequence[str] | None = None,
        of: int | None = None,
        **payment: Any,
    ) -> int | None:
        """A finding and its discrepancy, about our payment `of`, a new one, or none. closed: by whom, and why."""
        ids = self.pay(category=category, local=local, theirs=theirs, account=account, **payment) if payment else [of]
        identity = identity or f"{category}:{ids[0] or new_reference()}"
        given: dict[str, Any] = {
            "run": self.run_id,
            "identity": identity,
            "category": category,
            "payment": ids[0],
            "account": account,
            "currency": self.currency,
            "local": local,
            "theirs": theirs,
            "evidence": json.dumps(evidence or {}),
            "provider": self.provider,
            "days": days_ago,
            "by": closed[0] if closed else None,
            "why": closed[1] if closed else None,
        }
        self.connection.execute(
            """INSERT INTO findings (run_id, identity, category, payment_id, account, currency, local_minor,
                provider_minor, evidence, of_day)
            VALUES (%(run)s, %(identity)s, %(category)s, %(payment)s, %(account)s, %(currency)s, %(local)s, %(theirs)s,
                %(evidence)s::jsonb, %(day)s)""",
            given | {"day": self.day},
        )
        self.discrepancy(given)
        self._add(category, self.currency, 1, local, theirs)
        return ids[0]

    def discrepancy(self, given: Mapping[str, Any]) -> None:
        """A row of the living list, seen for the first time some days before this run (0: by it)."""
        self.connection.execute(
            """INSERT INTO discrepancies (category, provider, payment_id, identity, evidence, first_seen, last_seen,
                currency, local_minor, provider_minor, account, run_id, resolved_at, resolved_by, resolved_reason,
                first_day)
            SELECT %(category)s, %(provider)s, %(payment)s, %(identity)s, %(evidence)s::jsonb,
                r.fetched_at - make_interval(days => %(days)s), r.fetched_at, %(currency)s, %(local)s, %(theirs)s,
                %(account)s, CASE WHEN %(days)s = 0 THEN r.id ELSE 0 END,
                CASE WHEN %(by)s::text IS NOT NULL THEN r.fetched_at END, %(by)s, %(why)s,
                r.day - %(days)s::integer
            FROM reconciliations r WHERE r.id = %(run)s""",
            given,
        )

    def compared(self, *, missing: str | None = None, unread: int = 0) -> Reconciliation:
        """The run, in state `compared`."""
        totals = [
            {"category": category, "currency": currency, "count": n, "local_minor": ours, "provider_minor": theirs}
            for (category, currency), (n, ours, theirs) in self.totals.items()
        ]
        self.connection.execute(
            """UPDATE reconciliations SET state = 'compared', compared_at = fetched_at + interval '1 minute',
                totals = %s::jsonb, complete = %s, missing = %s, unread = %s,
                carried_at = fetched_at + interval '2 minutes',
                divided = true WHERE id = %s""",
            (json.dumps(totals), missing is None, missing, unread, self.run_id),
        )
        run = runs.get(self.connection, self.run_id)
        discrepancies.tell(self.connection, run, self.zone)
        reports.keep_hours(self.connection, run)
        return run

    def _add(self, category: Category, currency: str, count: int, local: int, theirs: int) -> None:
        before = self.totals.setdefault((category, currency), [0, 0, 0])
        self.totals[category, currency] = [before[0] + count, before[1] + local, before[2] + theirs]


HOSTILE = '<script>document.title="run"</script><img src=x onerror=alert(1)>"\'&</td>'


def eventful(connection: Connection, **given: Any) -> Reconciliation:
    """A night with one finding of every category, text that would like to be run, and older discrepancies."""
    night = ReportedNight(connection, **given)
    for hour in range(24):
        night.pay(40 + 20 * (hour % 7), hour=hour, every_s=3, account=f"acc-{hour}")
        if hour % 5 == 0:
            night.pay(7, hour=hour, state="refused")
    night.pay(3, hour=13, state="cancelled")
    night.pay(4, hour=15, operation="refund", minor=2_500)
    line = {"kind": "payment", "account": "acc-1", "currency": night.currency, "at": "2026-11-21T09:12:00.000000Z"}
    night.find(Category.MISSING_AT_PROVIDER, local=120_000, minor=120_000, hour=9, days_ago=3)
    night.find(Category.MISSING_AT_PROVIDER, local=5_050, minor=5_050, hour=10)
    night.find(
        Category.MISSING_LOCALLY,
        theirs=7_700,
        evidence={"line": line | {"marker": new_reference(), "amount_minor": 7_700, "reference": HOSTILE}},
    )
    night.find(
        Category.AMOUNT_MISMATCH,
        local=10_000,
        theirs=1_000,
        minor=10_000,
        evidence={"line": line | {"amount_minor": 1_000, "reference": "=cmd|'/c calc'!A1"}},
    )
    night.find(
        Category.STATUS_MISMATCH,
        theirs=4_400,
        minor=4_400,
        state="unknown",
        closed=("books", "the books of 2026-11-21 show it as applied"),
        evidence={"line": line | {"amount_minor": 4_400}, "says": "applied"},
    )
    night.find(Category.STATUS_MISMATCH, local=900, theirs=-900, minor=900, evidence={"line": line | {"kind": "other"}})
    night.find(Category.PAID_THERE_FAILED_HERE, theirs=3_300, minor=3_300, state="refused", days_ago=1)
    twice = night.pay(minor=6_600)[0]
    night.find(Category.DUPLICATE_AT_PROVIDER, of=twice, theirs=6_600, evidence={"line": line | {"reference": "B-2"}})
    night.find(Category.REFUND_MISSING, local=-2_000, minor=2_000, operation="refund", days_ago=12)
    candidate = {"source": "shop", "intent_id": "ord-7", "state": "unknown", "amount_minor": 8_000}
    night.find(
        Category.PAID_ELSEWHERE,
        theirs=8_000,
        account='=HYPERLINK("http://example.invalid")',
        evidence={"invoice": {"amount_paid_minor": 18_000, "net_minor": 10_000}, "payments": [candidate]},
    )
    night.find(Category.LATE, local=1_500, theirs=1_500, minor=1_500, hour=23.9, evidence={"line": line})
    unknown = {"payment": {"amount_minor": 9_900, "currency": night.currency}}
    night.find(
        Category.STILL_UNKNOWN, evidence=unknown, minor=9_900, state="parked", hour=2, days_ago=45, intent="-2+3"
    )
    other = {"run": night.run_id, "identity": "amount_mismatch:old", "category": "amount_mismatch", "payment": None}
    other |= {"account": HOSTILE, "currency": night.currency, "local": 700, "theirs": 100, "evidence": "{}"}
    night.discrepancy(other | {"provider": night.provider, "days": 9, "by": None, "why": None})
    return night.compared()

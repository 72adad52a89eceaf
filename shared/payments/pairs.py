"""pairs: a parked payment and a line of its provider's books that may be it, and what speaks for and against it.

A pair is proposed, never more: the line is named by a person (`resolve --as succeeded --line`). It comes from the last
look that could be made, a worker's or a person's, at the list of the payment's account: same account, same sum, not
explained by any reference of ours, not booked long before. Reads only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.archive.twins import every
from shared.database.engine import Connection, Row
from shared.domain.money import format_amount
from shared.domain.words import counted

_NEAR = timedelta(days=2)  # two clocks, time zones that we mistake for each other, and books that give the day alone

_PAIRS = f"""
WITH standing AS MATERIALIZED (
    SELECT provider, books_key, amount_minor, count(*) AS n FROM ({{standing}}) AS o
    GROUP BY provider, books_key, amount_minor
), decided AS MATERIALIZED (
    SELECT q.provider, q.books_key, q.amount_minor, count(*) AS n FROM ({{decided}}) AS q
    WHERE NOT EXISTS (SELECT FROM taken_lines t WHERE t.payment_id = q.id)
    GROUP BY q.provider, q.books_key, q.amount_minor
), shown AS (
    SELECT p.id, p.source, p.intent_id, p.provider, p.books_key, p.amount_minor, p.currency, p.paid_at, c.checked_at,
        (p.attempts > 0)::int AS itself,
        coalesce((c.evidence ->> 'missing_successes')::int, 0) AS missing,
        coalesce((c.evidence ->> 'whole')::boolean, true) AS whole, c.evidence -> 'candidates' AS candidates,
        (SELECT min(a.started_at) FROM attempts a WHERE a.payment_id = p.id) AS first_sent_at,
        (SELECT max(coalesce(a.ended_at, a.lease_until)) FROM attempts a WHERE a.payment_id = p.id) AS last_sent_at
    FROM payments p CROSS JOIN LATERAL (
        SELECT checked_at, evidence FROM checks
        WHERE payment_id = p.id AND evidence ? 'lines' ORDER BY number DESC LIMIT 1) c
    WHERE p.state = 'parked' AND p.books_key IS NOT NULL AND (%(provider)s::text IS NULL OR p.provider = %(provider)s)
        {{of_these_p}}
), free AS (
    SELECT s.id, e ->> 'line' AS line, (e ->> 'amount_minor')::bigint AS line_minor,
        (e ->> 'at')::timestamptz AS line_at, e ->> 'marker' AS marker
    FROM shown s CROSS JOIN LATERAL jsonb_array_elements(s.candidates) e
    WHERE NOT EXISTS (SELECT FROM taken_lines t WHERE (t.provider, t.account) = (s.provider, s.books_key)
                      AND t.line = e ->> 'line')
        AND (SELECT count(*) FROM {every("payments")} q WHERE (q.provider, q.books_key, q.provider_reference)
             = (s.provider, s.books_key, e ->> 'line') AND q.state = 'succeeded') = 0
)
SELECT s.id, s.source || '/' || s.intent_id AS payment, s.provider, s.amount_minor, s.currency, s.paid_at,
    s.first_sent_at, s.last_sent_at, s.checked_at, s.missing, s.whole, f.line, f.line_minor, f.line_at, f.marker,
    count(*) OVER (PARTITION BY s.id) AS lines, coalesce(o.n, s.itself) - s.itself AS rivals,
    coalesce(d.n, 0) AS decided
FROM shown s JOIN free f USING (id)
LEFT JOIN standing o ON (o.provider, o.books_key, o.amount_minor) = (s.provider, s.books_key, s.amount_minor)
LEFT JOIN decided d ON (d.provider, d.books_key, d.amount_minor) = (s.provider, s.books_key, s.amount_minor)
ORDER BY s.id, f.line
"""
_OPEN = """SELECT p.provider, p.books_key, p.amount_minor FROM payments p
    WHERE p.books_key IS NOT NULL AND p.attempts > 0 AND p.finished_at IS NULL"""
_DECIDED = f"""SELECT q.id, q.provider, q.books_key, q.amount_minor FROM {every("payments")} q
    JOIN {every("resolutions")} r ON r.payment_id = q.id
    WHERE q.books_key IS NOT NULL AND q.finished_at IS NOT NULL AND r.action"""
_ALL = _PAIRS.format(
    of_these_p="",
    standing=_OPEN,
    decided=f"{_DECIDED} IN ('succeeded', 'refused')",
)
# Of some payments, and of those that stand in the same lists with the same sums: open ones by payments_open_books,
# settled ones by payments_books. A person's no has no index of lists: of those there are as many as people said.
_OF_LISTS = """= ANY(ARRAY(SELECT books_key FROM payments WHERE id = ANY(%(payments)s)))
    AND amount_minor = ANY(ARRAY(SELECT amount_minor FROM payments WHERE id = ANY(%(payments)s)))"""
_SOME = _PAIRS.format(
    of_these_p="AND p.id = ANY(%(payments)s)",
    standing=f"{_OPEN} AND p.books_key {_OF_LISTS}",
    decided=f"{_DECIDED} IN ('succeeded', 'refused') AND q.state = 'succeeded' AND q.books_key {_OF_LISTS}"
    f" UNION ALL {_DECIDED} = 'refused' AND q.state <> 'succeeded' AND q.books_key {_OF_LISTS}",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """payment: SOURCE/INTENT_ID. line: what the line is called in the account's list. at: when it was booked; aware.

    looked_at: when the books were looked at. A pair that nothing speaks against is one to one: `sure`.
    """

    payment_id: int
    payment: str
    provider: str
    amount_minor: int
    currency: str
    first_sent_at: datetime
    line: str
    line_minor: int | None
    at: datetime | None
    marker: str | None
    looked_at: datetime
    speaks_for: tuple[str, ...]
    against: tuple[str, ...]

    @property
    def sure(self) -> bool:
        """Does nothing speak against it?"""
        return not self.against

    @property
    def confidence(self) -> str:
        """likely, or possible."""
        return "likely" if self.sure else "possible"

    def told(self) -> Mapping[str, Any]:
        """As programs see it: amounts as text with all places, times RFC 3339 in UTC."""
        line_amount = None if self.line_minor is None else format_amount(self.line_minor, self.currency)
        return {
            "payment": self.payment,
            "provider": self.provider,
            "amount": format_amount(self.amount_minor, self.currency),
            "currency": self.currency,
            "first_sent_at": _utc(self.first_sent_at),
            "line": self.line,
            "line_amount": line_amount,
            "line_at": None if self.at is None else _utc(self.at),
            "line_text": self.marker,
            "looked_at": _utc(self.looked_at),
            "confidence": self.confidence,
            "for": list(self.speaks_for),
            "against": list(self.against),
        }


def pairs(connection: Connection, provider: str | None = None, payments: Sequence[int] | None = None) -> Sequence[Pair]:
    """Every pair as the last looks showed it, by payment. provider: only this one's; payments: only those of these
    numbers, however many others are parked."""
    given = {"provider": provider} if payments is None else {"provider": provider, "payments": list(payments)}
    return [_pair(row) for row in connection.execute(_ALL if payments is None else _SOME, given).fetchall()]


def _pair(row: Row) -> Pair:
    far = _far(row)
    same_sum = row["line_minor"] == row["amount_minor"]
    speaks_for = ["the same account"]
    speaks_for += ["the same sum"] if same_sum else []
    speaks_for += [] if far else [f"booked {_day(row['line_at'])}, sent {_day(row['first_sent_at'])}"]
    against = [] if same_sum else ["its sum can't be read"]
    against += [far] if far else []
    against += _not_one_to_one(row)
    if row["marker"] is not None:
        against.append("another text stands where our reference would")
    names = ("payment", "provider", "amount_minor", "currency", "first_sent_at", "line", "line_minor", "marker")
    told = {name: row[name] for name in names}
    ends = {"speaks_for": tuple(speaks_for), "against": tuple(against), "looked_at": row["checked_at"]}
    return Pair(payment_id=row["id"], at=row["line_at"], **told, **ends)


def _far(row: Row) -> str | None:
    """Why its date speaks against it, or None. What is dated by the day of the customer's own payment is near, too."""
    at, first = row["line_at"], min(row["first_sent_at"], row["paid_at"])
    if at is None:
        return "its date can't be read"
    if first - _NEAR <= at <= max(row["last_sent_at"], row["first_sent_at"]) + _NEAR:
        return None
    return f"booked {_day(at)}, and sent {_day(row['first_sent_at'])}"


def _not_one_to_one(row: Row) -> list[str]:
    said = []
    if row["lines"] > 1:
        said.append(f"{counted(row['lines'] - 1, 'other line', 'other lines')} of this sum may be it")
    if row["rivals"]:
        of = counted(row["rivals"], "other open payment", "other open payments")
        said.append(f"{of} of this sum on this account may be it")
    if row["decided"]:
        of = counted(row["decided"], "payment", "payments")
        said.append(f"{of} of this sum on this account had a person's word and no line")
    if row["missing"]:
        of = counted(row["missing"], "earlier success of ours is", "earlier successes of ours are")
        said.append(f"{of} not in the list, so it may be one of them")
    if not row["whole"]:
        said.append("the list is not whole, so another line may be it")
    return said


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

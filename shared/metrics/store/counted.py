"""What has to be counted row by row: the payments that are not final, the outbox, the quarantine.

With a million open payments that takes a second or more, so it is not done for each scrape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import psycopg

from shared.database.engine import Connection
from shared.database.statements import statements
from shared.domain.payment import State

_SQL = statements(__file__)

# The provider may have been paid, and nobody knows yet.
AT_RISK = frozenset({State.SENDING, State.UNKNOWN, State.PARKED})


@dataclass(frozen=True, slots=True)
class Open:
    """Payments of one kind that are not final. amount: of all of them, in the currency's units. due: the dispatcher may
    take them now. oldest_s: since the oldest one was accepted. due_s: since the first was due, where they are."""

    provider: str
    state: State
    hold_reason: str | None
    currency: str
    due: bool
    payments: int
    amount: Decimal
    oldest_s: float
    due_s: float


@dataclass(frozen=True, slots=True)
class Counted:
    """As of one moment. discrepancies: (provider, category, how many). accounts: (provider, how many are to be
    confirmed). quarantine_waits: those in quarantine that a person has to look at."""

    payments: Sequence[Open]
    events_pending: int
    discrepancies: Sequence[tuple[str, str, int]]
    quarantined: int
    accounts: Sequence[tuple[str, int]]
    quarantine_waits: int = 0


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Payments of one provider and currency that may have been applied, and nobody knows. amount: as text, with all the
    currency's places. oldest_s: since the oldest one was accepted."""

    provider: str
    currency: str
    payments: int
    amount: str
    oldest_s: float


def counted(connection: Connection) -> Counted:
    """Count. Belongs into a `snapshot`; takes as long as there are rows."""
    now = connection.execute(_SQL["moment"]).fetchone()
    assert now is not None  # noqa: S101 - it has no table
    payments = [
        Open(
            provider=row["provider"],
            state=State(row["state"]),
            hold_reason=row["hold_reason"],
            currency=row["currency"],
            due=row["due"],
            payments=row["payments"],
            amount=row["amount_minor"].scaleb(-row["places"]),
            oldest_s=max(0.0, row["oldest_s"]),
            due_s=max(0.0, row["due_s"]) if row["due"] else 0.0,
        )
        for row in connection.execute(_SQL["payments"], now).fetchall()
    ]
    events = connection.execute(_SQL["events"]).fetchone()
    quarantined = connection.execute(_SQL["quarantine"]).fetchone()
    assert events is not None and quarantined is not None  # noqa: S101, PT018 - counts
    found = connection.execute(_SQL["discrepancies"]).fetchall()
    return Counted(
        payments=payments,
        events_pending=events["pending"],
        discrepancies=[(row["provider"], row["category"], row["open"]) for row in found],
        quarantined=quarantined["entries"],
        accounts=[(row["provider"], row["accounts"]) for row in connection.execute(_SQL["accounts"]).fetchall()],
        quarantine_waits=quarantined["waits"],
    )


def at_risk(connection: Connection) -> list[AtRisk]:
    """What may have been applied and nobody knows, by provider and currency. Takes as long as there are such rows."""
    return [AtRisk(**row) for row in connection.execute(_SQL["at_risk"], {"states": sorted(AT_RISK)}).fetchall()]


def at_risk_within(connection: Connection, most_s: float) -> list[AtRisk] | None:
    """The same, for a line below something else; None where summing takes longer than that."""
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('statement_timeout', %s, true)", (f"{most_s * 1000:.0f}",))
            return at_risk(connection)
    except psycopg.errors.QueryCanceled:
        return None

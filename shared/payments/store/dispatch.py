"""A look at a lane: lost leases are taken back, what is overdue is parked, what is due is claimed for its senders."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.database.engine import Connection, Row
from shared.database.statements import statements

_SQL = statements(__file__)


@dataclass(frozen=True, slots=True)
class Dispatched:
    """A claimed payment: to be sent, or (an unknown one) to be checked."""

    id: int
    reference: str
    check: bool


def take_back(connection: Connection, provider: str, longest_s: float) -> None:
    """The lane runs again: what was dispatched before it stood still is due at once. longest_s: of any lease."""
    connection.execute(_SQL["take_back"], {"provider": provider, "longest_s": longest_s})


def give_back(connection: Connection, names: Sequence[tuple[int, str | None]]) -> int:
    """Those of these payments (id, reference) that are dispatched and not claimed are due at once; how many."""
    given = {"ids": [payment_id for payment_id, _ in names], "references": [reference for _, reference in names]}
    return connection.execute(_SQL["give_back"], given).rowcount


def recover(connection: Connection, provider: str, base_s: float, check_s: float, limit: int = 500) -> list[Row]:
    """Take back what was being sent when its lease ran out; rows of id and new state."""
    given = {"provider": provider, "base_s": base_s, "check_s": check_s, "limit": limit}
    return connection.execute(_SQL["recover"], given).fetchall()


def park_overdue(connection: Connection, provider: str, limit: int = 500) -> list[int]:
    """Park what waits past its deadline."""
    rows = connection.execute(_SQL["park_overdue"], {"provider": provider, "limit": limit}).fetchall()
    return [row["id"] for row in rows]


def unclaimed(connection: Connection, provider: str) -> int:
    """How many payments are dispatched and not yet claimed by a sender."""
    row = connection.execute(_SQL["unclaimed"], {"provider": provider}).fetchone()
    assert row is not None  # noqa: S101 - count(*) always gives a row
    return int(row["n"])


def on_the_wire(connection: Connection, provider: str, longest_s: float) -> int:
    """How many payments may be on the wire under a lease that is alive, or will be: dispatched, being sent, checked.

    longest_s: of any lease.
    """
    row = connection.execute(_SQL["on_the_wire"], {"provider": provider, "longest_s": longest_s}).fetchone()
    assert row is not None  # noqa: S101 - count(*) always gives a row
    return int(row["n"])


def claim_due(
    connection: Connection, provider: str, room: int, lease_s: float, *, checks_only: bool = False
) -> list[Dispatched]:
    """Up to `room` payments that are due, in order of their due times, marked dispatched with a lease.

    Those whose exclusive key is taken are held as `invoice_busy` and not among them; nor is what waits past its
    deadline.
    """
    given = {"provider": provider, "room": room, "lease_s": lease_s, "checks_only": checks_only}
    rows = connection.execute(_SQL["claim_due"], given).fetchall()
    return [Dispatched(row["id"], row["reference"], row["check"]) for row in rows if not row["busy"]]

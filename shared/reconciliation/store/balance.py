"""The sums of a comparison, counted twice: over what was found, and over the payments and lines themselves.

A sum has no limit: each amount is a bigint, what a million of them come to need not be one.
"""

import json

from shared.database.engine import Connection, Row
from shared.database.rows import whole
from shared.database.statements import statements
from shared.domain.discrepancies import Reconciliation
from shared.reconciliation.store.scope import given

_SQL = statements(__file__)


def totals(connection: Connection, run: Reconciliation) -> list[Row]:
    """Each category's count and shares of all that the run looked at, by currency."""
    return [whole(row) for row in connection.execute(_SQL["totals"], given(run)).fetchall()]


def own(connection: Connection, run: Reconciliation) -> list[Row]:
    """The same of the run's own day alone; what the run looked at again, of earlier days, is left out."""
    return [whole(row) for row in connection.execute(_SQL["own"], given(run)).fetchall()]


def ended(connection: Connection, run: Reconciliation) -> dict[str, int]:
    """By currency: what of ours succeeded on the run's own day. While the comparison's temporary tables are there."""
    rows = [whole(row) for row in connection.execute(_SQL["ended"], given(run)).fetchall()]
    return {row["currency"]: row["local_minor"] for row in rows}


def sums(connection: Connection, run: Reconciliation) -> dict[str, tuple[int, int]]:
    """By currency: our sum, and the provider's. To be called while the comparison's temporary tables are there."""
    rows = [whole(row) for row in connection.execute(_SQL["sums"], given(run)).fetchall()]
    return {row["currency"]: (row["local_minor"], row["provider_minor"]) for row in rows}


def keep(connection: Connection, run: Reconciliation, totals: list[Row], unread: int) -> None:
    """The run is compared: its totals, in the transaction of its findings."""
    connection.execute(_SQL["keep"], {"run": run.id, "totals": json.dumps(totals), "unread": unread})

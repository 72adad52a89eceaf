"""Payments that a provider's books show as applied, while we did not know."""

from collections.abc import Sequence

from shared.database.engine import Connection
from shared.database.statements import statements
from shared.domain.discrepancies import Reconciliation

_SQL = statements(__file__)


def shown(connection: Connection, run: Reconciliation) -> list[int]:
    """The payments that the run's books show as applied and that were not final then, in order."""
    return [row["payment_id"] for row in connection.execute(_SQL["shown"], {"run": run.id}).fetchall()]


def applied(connection: Connection, run: Reconciliation, payment_ids: Sequence[int]) -> None:
    """Succeeded, with the line as the evidence, in one statement; nothing where one is final already."""
    detail = f"the books of {run.day} show it as applied"
    connection.execute(
        _SQL["applied"], {"run": run.id, "day": str(run.day), "ids": list(payment_ids), "detail": detail}
    )


def used(connection: Connection, run: Reconciliation) -> int:
    """How many payments succeeded by this run's evidence."""
    row = connection.execute(_SQL["used"], {"run": run.id}).fetchone()
    return int(row["used"]) if row else 0

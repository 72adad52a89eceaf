"""recall: bring payments back from the archive, where a refund, late evidence or a discrepancy concerns them."""

from collections.abc import Sequence

from shared.archive.twins import TABLES, move
from shared.database.engine import Connection
from shared.database.statements import statements

_SQL = statements(__file__)


def recall(connection: Connection, payment_ids: Sequence[int]) -> None:
    """Bring back those of these payments that are in the archive, with their families, in the caller's transaction.

    Waits for whoever is bringing one of them back; so what was in the archive is found in the hot tables after it.
    """
    family = [row["id"] for row in connection.execute(_SQL["families"], {"ids": list(payment_ids)}).fetchall()]
    if family:
        for table in TABLES:
            move(connection, family, f"archive.{table}", table)
        connection.execute(_SQL["told"], {"ids": family})

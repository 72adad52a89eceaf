"""recall: bring payments back from the archive, where a refund, late evidence or a discrepancy concerns them."""

from collections.abc import Sequence

from shared.archive.twins import TABLES, move
from shared.database.engine import Connection

# In order of id, so that two who want the same ones back wait for each other and don't deadlock.
_FAMILIES = """
WITH head AS (SELECT coalesce(settle_id, id) AS id FROM archive.payments WHERE id = ANY(%(ids)s))
SELECT id FROM archive.payments
WHERE id = ANY(ARRAY(SELECT id FROM head)) OR settle_id = ANY(ARRAY(SELECT id FROM head))
ORDER BY id FOR UPDATE
"""


def recall(connection: Connection, payment_ids: Sequence[int]) -> None:
    """Bring back those of these payments that are in the archive, with their families, in the caller's transaction.

    Waits for whoever is bringing one of them back; so what was in the archive is found in the hot tables after it.
    """
    family = [row["id"] for row in connection.execute(_FAMILIES, {"ids": list(payment_ids)}).fetchall()]
    if family:
        for table in TABLES:
            move(connection, family, f"archive.{table}", table)

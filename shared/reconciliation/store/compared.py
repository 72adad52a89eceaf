"""Each payment that a run looked at, as it was then: a table of its own for each run.

A partition of `reconciled_payments`, written at once as a new table, which costs a third less than adding the rows to
one that is there; and dropped as a whole when it is old, where deleting would leave millions of dead rows behind.
"""

from shared.database.engine import Connection
from shared.domain.discrepancies import Reconciliation
from shared.reconciliation.store.scope import given

IS_THERE = "to_regclass('reconciled_payments_' || {}) IS NOT NULL"  # the payments of the run with this number


def write(connection: Connection, run: Reconciliation, judged: str) -> None:
    """The run's payments, in place of those of an earlier comparison. judged: a query of all columns, in their order,
    with the run's number as a bigint. One transaction of the caller's."""
    name = _name(run.id)
    row = connection.execute(f"SELECT {IS_THERE.format(run.id)} AS again").fetchone()
    if row and row["again"]:  # not dropped: no other provider's run could read its own payments until this one is done
        connection.execute(f"TRUNCATE {name}")
        connection.execute(f"INSERT INTO {name} {judged}", given(run))
    else:
        connection.execute(f"CREATE TABLE {name} AS {judged}", given(run))
        connection.execute(f"ALTER TABLE reconciled_payments ATTACH PARTITION {name} FOR VALUES IN ({run.id})")


def drop(connection: Connection, run_id: int) -> None:
    """Forget the run's payments. Waits until nobody reads any run's, and who would read waits behind it."""
    connection.execute(f"DROP TABLE IF EXISTS {_name(run_id)}")


def analyze(connection: Connection, run_id: int) -> None:
    """Count them for the planner: what follows reads them."""
    connection.execute(f"ANALYZE {_name(run_id)}")


def _name(run_id: int) -> str:
    return f"reconciled_payments_{run_id:d}"

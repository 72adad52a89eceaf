"""Each payment that a run looked at, as it was then: a table of its own for each run.

A partition of `reconciled_payments`, filled before it is attached, and dropped as a whole when it is old, where
deleting would leave millions of dead rows behind. Making and dropping it is the owner's: functions of the database do
it, so that a night needs no more than to read and write rows.
"""

from shared.database.engine import Connection
from shared.domain.discrepancies import Reconciliation
from shared.reconciliation.store.scope import given

IS_THERE = "to_regclass('reconciled_payments_' || {}) IS NOT NULL"  # the payments of the run with this number


def write(connection: Connection, run: Reconciliation, judged: str) -> None:
    """The run's payments, in place of those of an earlier comparison. judged: a query of all columns, in their order,
    with the run's number as a bigint. One transaction of the caller's."""
    connection.execute("SELECT begin_run_payments(%s)", (run.id,))
    connection.execute(f"INSERT INTO {_name(run.id)} {judged}", given(run))
    connection.execute("SELECT attach_run_payments(%s)", (run.id,))


def drop(connection: Connection, run_id: int) -> None:
    """Forget the payments of a run that is forgotten itself. Waits until nobody reads any run's, and who would read
    waits behind it."""
    connection.execute("SELECT drop_run_payments(%s)", (run_id,))


def analyze(connection: Connection, run_id: int) -> None:
    """Count them, and the findings, for the planner: what follows reads them."""
    connection.execute("SELECT analyze_night(%s)", (run_id,))


def _name(run_id: int) -> str:
    return f"reconciled_payments_{run_id:d}"

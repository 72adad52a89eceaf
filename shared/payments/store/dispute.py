"""A final payment that late evidence is about, locked."""

from shared.database.engine import Connection, Row
from shared.database.statements import statements

_SQL = statements(__file__)


def find(connection: Connection, payment_id: int, succeeded: int | None) -> Row | None:
    """Its state, provider, `resend_safe` and `successes`; None where it is not among the hot ones.

    succeeded: the number of an attempt that counts as a success, though it is not recorded yet.
    """
    return connection.execute(_SQL["find"], {"id": payment_id, "succeeded": succeeded}).fetchone()

"""How a transaction over millions of rows is run."""

from shared.store.engine import Connection

TIMEOUT_S = 3600  # of one statement
# Of PostgreSQL, for one sort or hash table; more goes through its disk. A hash table that fits the processor's cache,
# in many batches, was measured to be faster than a large one in few.
MEMORY = "8MB"


def prepare(connection: Connection) -> None:
    """Time and memory for the statements of this transaction."""
    connection.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_S}s'")
    connection.execute(f"SET LOCAL work_mem = '{MEMORY}'")
    connection.execute("SET LOCAL hash_mem_multiplier = 1")
    connection.execute("SET LOCAL jit = off")

"""How a transaction over millions of rows is run."""

from shared.database.engine import Connection

TIMEOUT_S = 3600  # of one statement
# Of PostgreSQL, for one sort; twice that for a hash table. More goes through its disk. A join with larger tables in
# memory was measured to be slower (they no longer fit the processor's cache), but IN (SELECT …) must fit.
MEMORY = "64MB"


def prepare(connection: Connection) -> None:
    """Time and memory for the statements of this transaction."""
    connection.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_S}s'")
    connection.execute(f"SET LOCAL work_mem = '{MEMORY}'")
    connection.execute("SET LOCAL hash_mem_multiplier = 2")
    connection.execute("SET LOCAL jit = off")

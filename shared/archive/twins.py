"""The archive's tables: each hot table of a payment has a twin there, and each row is in exactly one of the two.

A settle and its refunds, a *family*, move together both ways: wherever a settle is, the sum of its refunds is found,
and its row lock guards it. Intent keys stay where they are, for ever.
"""

from shared.database.engine import Connection

FOLLOW_UPS = "follow_ups"
BELONGING = ("attempts", "checks", "events", FOLLOW_UPS, "resolutions")  # by payment_id; they go where it goes
TABLES = ("payments", *BELONGING)


def every(table: str) -> str:
    """The rows of a table and of its twin, to stand in a FROM. Conditions on it use the indexes of both."""
    return f"(SELECT * FROM {table} UNION ALL SELECT * FROM archive.{table})"


def move(connection: Connection, payment_ids: list[int], here: str, there: str) -> None:
    """Move the rows of these payments from one table to its twin."""
    key = "id" if here.endswith("payments") else "payment_id"
    connection.execute(
        f"""WITH gone AS (DELETE FROM {here} WHERE {key} = ANY(%s) RETURNING *)
        INSERT INTO {there} OVERRIDING SYSTEM VALUE SELECT * FROM gone""",
        (payment_ids,),
    )

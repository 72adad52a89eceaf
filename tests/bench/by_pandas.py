"""A night's comparison as it is usually written with pandas: both sides in memory, one merge.

It knows the rules that the benchmark's books need, and no more: one currency, one line for each payment but for
duplicates, accounts that were all read.
"""

import io
from typing import Any

import numpy as np
import pandas as pd
import psycopg

from tests.bench.books import DAY, PROVIDER

_PAYMENTS = f"""COPY (SELECT id, source, intent_id, sent_reference, state, currency, amount_minor, finished_at
    FROM payments WHERE provider = '{PROVIDER}') TO STDOUT (FORMAT csv, HEADER)"""
_LINES = """COPY (SELECT number, account, marker, ours, amount_minor AS there_minor, at, reference
    FROM provider_lines WHERE run_id = {}) TO STDOUT (FORMAT csv, HEADER)"""


def read(connection: "psycopg.Connection[Any]", run_id: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Our payments and their lines."""
    payments = _frame(connection, _PAYMENTS)
    lines = _frame(connection, _LINES.format(run_id))
    lines["at"] = pd.to_datetime(lines["at"], format="ISO8601", utc=True)
    return payments, lines


def _frame(connection: "psycopg.Connection[Any]", statement: str) -> pd.DataFrame:
    buffer = io.BytesIO()
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for chunk in copy:
            buffer.write(chunk)
    buffer.seek(0)
    return pd.read_csv(buffer)


def compare(payments: pd.DataFrame, lines: pd.DataFrame) -> list[list[Any]]:
    """Category, currency, count, our sum, their sum; with the findings' evidence made on the way."""
    start = pd.Timestamp(DAY, tz="UTC")
    both = payments.merge(lines, how="outer", left_on="sent_reference", right_on="marker", indicator=True)
    both = both.sort_values(["id", "at", "number"])
    left, right = both["_merge"] == "left_only", both["_merge"] == "right_only"
    further = ~right & both.duplicated("id")
    late = (both["at"] < start - pd.Timedelta(300, "s")) | (both["at"] >= start + pd.Timedelta(86_700, "s"))
    state = both["state"]
    rules = [
        (right & (both["ours"] == "t"), "missing_locally"),
        (right, "paid_elsewhere"),
        (further, "duplicate_at_provider"),
        (left & (state == "succeeded"), "missing_at_provider"),
        (left & (state == "unknown"), "still_unknown"),
        (left, "matched"),
        (state == "refused", "paid_there_failed_here"),
        (both["amount_minor"] != both["there_minor"], "amount_mismatch"),
        (state != "succeeded", "status_mismatch"),
        (late, "late"),
    ]
    both["category"] = np.select([rule for rule, _ in rules], [name for _, name in rules], default="matched")
    both["local"] = np.where((state == "succeeded") & ~further, both["amount_minor"], 0)
    both["provider"] = np.where(left, 0, both["there_minor"])
    both["currency"] = both["currency"].fillna("GEL")
    findings = both[both["category"] != "matched"]
    findings[["category", "source", "intent_id", "account", "marker", "at", "reference"]].to_json(orient="records")
    sums = both.groupby(["category", "currency"]).agg(n=("local", "size"), a=("local", "sum"), b=("provider", "sum"))
    return sorted([category, currency, int(n), int(a), int(b)] for (category, currency), (n, a, b) in sums.iterrows())

"""The published grants: which roles there are, and what each may do (grants.sql)."""

from pathlib import Path


def grants() -> str:
    """The statements, for psql as a superuser. They hold no password."""
    return Path(__file__).with_name("grants.sql").read_text("utf-8")

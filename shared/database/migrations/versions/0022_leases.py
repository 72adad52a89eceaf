"""Behind a pooler: what only one may do is held by rows with leases, and statements look at their session."""

from pathlib import Path

from alembic import op

revision = "0022"
down_revision = "0021"
half = "pre"


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute("DROP FUNCTION pinned(); DROP TABLE lease_numbers, leases")

"""Rows that could not be read are counted, and sums have no limit."""

from pathlib import Path

from alembic import op

revision = "0014"
down_revision = "0013"

# A bigint can't hold every sum: what is beyond it becomes the largest there is, which nobody takes for a sum.
_SHORT = """{0} TYPE bigint USING CASE WHEN {0} IS NOT NULL
    THEN greatest(least({0}, 9223372036854775807), -9223372036854775807)::bigint END"""
_BACK = f"""
ALTER TABLE discrepancies ALTER COLUMN {_SHORT.format("local_minor")},
    ALTER COLUMN {_SHORT.format("provider_minor")};
ALTER TABLE findings ALTER COLUMN {_SHORT.format("local_minor")}, ALTER COLUMN {_SHORT.format("provider_minor")};
ALTER TABLE provider_accounts DROP COLUMN unreadable;
ALTER TABLE reconciliations DROP COLUMN unreadable;
"""


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(_BACK.replace(":", r"\:"))

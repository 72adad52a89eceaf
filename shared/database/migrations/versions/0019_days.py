"""A night's day apart from what is carried forward, and what each night told, kept."""

from pathlib import Path

from alembic import op

revision = "0019"
down_revision = "0018"

_BACK = """
DROP TABLE day_sums, carried_entries, told_discrepancies;
ALTER TABLE discrepancies DROP COLUMN first_day, DROP COLUMN continues_as, DROP COLUMN alerted;
ALTER TABLE findings DROP COLUMN of_day;
DROP INDEX findings_payment;
ALTER TABLE reconciliations DROP COLUMN carried, DROP COLUMN hours, DROP COLUMN carried_at,
    DROP COLUMN divided;
"""


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(_BACK)

"""Who is in charge of a discrepancy, until when, what was said about it; who prepared and who reviewed a day."""

from pathlib import Path

from alembic import op

revision = "0023"
down_revision = "0022"
half = "pre"

_BACK = """
DROP TABLE discrepancy_notes, day_signatures;
DROP FUNCTION refuse_note_change(), refuse_signature();
ALTER TABLE discrepancies DROP COLUMN owner, DROP COLUMN due, DROP COLUMN closing_code;
ALTER TABLE told_discrepancies DROP COLUMN owner, DROP COLUMN due, DROP COLUMN closing_code, DROP COLUMN notes;
"""


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(_BACK)

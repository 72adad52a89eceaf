"""What a person was shown before a decision is kept with it."""

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    for table in ("resolutions", "archive.resolutions"):
        # A row of a look alone decided nothing, and the older code knows no such action.
        op.execute(f"DELETE FROM {table} WHERE action = 'look'")
        op.execute(f"ALTER TABLE {table} DROP COLUMN although, DROP COLUMN line, DROP COLUMN look")

"""The first schema: payments, lanes, events, quarantine, directory, tokens."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    raise NotImplementedError("the first schema is not taken back; drop the database in its place")

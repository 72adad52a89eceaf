"""Follow-ups of a success: receipts and text messages, and what is told of a message's delivery."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    raise NotImplementedError("text messages have no place in the older schema; restore a backup in its place")

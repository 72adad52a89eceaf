"""What stands still is sent to people; a code stands beside each text; quarantine can be dismissed."""

from pathlib import Path

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(Path(__file__).with_name("0017_back.sql").read_text("utf-8").replace(":", r"\:"))

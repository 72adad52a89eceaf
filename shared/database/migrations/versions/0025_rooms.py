"""People come into the control room by a password, and where they want it a one-time code beside it."""

from pathlib import Path

from alembic import op

revision = "0025"
down_revision = "0024"
half = "pre"


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute("DROP TABLE people_forms, people_attempts, people_sessions, people_passwords")

"""Webhooks: where a source's events are posted to, and how far that is."""

from pathlib import Path

from alembic import op

revision = "0024"
down_revision = "0023"
half = "pre"


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute("DROP TABLE webhook_waiting, webhook_secrets, webhooks")

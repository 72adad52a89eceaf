"""Upstreams that come by HTTP prove who they are by a key of their source."""

from pathlib import Path

from alembic import op

revision = "0021"
down_revision = "0020"
half = "pre"


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8"))


def downgrade() -> None:
    op.execute("DROP TABLE source_keys")

"""Quarantine says of what it kept only the beginning."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("ALTER TABLE quarantine ADD COLUMN whole_bytes bigint")  # null: raw is all of it


def downgrade() -> None:
    # What is cut would look whole, and could be replayed as if it were.
    op.execute("DELETE FROM quarantine WHERE whole_bytes IS NOT NULL")
    op.execute("ALTER TABLE quarantine DROP COLUMN whole_bytes")

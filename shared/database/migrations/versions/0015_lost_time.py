"""A database that comes back older than the world is noticed, held and recovered."""

from pathlib import Path

from alembic import op

revision = "0015"
down_revision = "0014"

_HERE = Path(__file__)


def upgrade() -> None:
    op.execute(_HERE.with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(_HERE.with_name("0015_back.sql").read_text("utf-8").replace(":", r"\:"))

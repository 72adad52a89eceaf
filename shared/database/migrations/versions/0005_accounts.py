"""The bank accounts of biller services: since when, which changed, who confirmed them."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute("DROP VIEW listed_accounts; DROP TABLE bank_accounts")

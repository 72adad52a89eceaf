"""The nightly comparison with the providers' books."""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"

_BACK = """
DROP TABLE findings, reconciled_payments, provider_accounts, accounts_to_read, provider_lines, reconciliations;
DROP INDEX discrepancies_provider;
ALTER TABLE discrepancies DROP COLUMN currency, DROP COLUMN local_minor, DROP COLUMN provider_minor,
    DROP COLUMN account, DROP COLUMN run_id, DROP COLUMN resolved_reason;
"""


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(_BACK)

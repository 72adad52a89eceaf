"""Each run's payments are a table of their own."""

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"

_BACK = """
CREATE TABLE reconciled_before (
    run_id bigint NOT NULL, payment_id bigint NOT NULL, account text NOT NULL, category text NOT NULL,
    state text NOT NULL, finished_at timestamptz, currency text NOT NULL, local_minor bigint NOT NULL,
    provider_minor bigint NOT NULL
);
INSERT INTO reconciled_before SELECT * FROM reconciled_payments ORDER BY run_id, payment_id;
DROP TABLE reconciled_payments;
ALTER TABLE reconciled_before RENAME TO reconciled_payments;
CREATE INDEX reconciled_payments_run ON reconciled_payments USING brin (run_id, payment_id);
"""


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(_BACK)

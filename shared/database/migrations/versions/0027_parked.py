"""A parked payment's row says since when it is parked, with the indexes by which the inbox finds the first ones."""

from pathlib import Path

from alembic import op

from shared.database.concurrently import create_index, drop_index

revision = "0027"
down_revision = "0026"
half = "pre"

# Of those that are parked already, by their newest event; row by row, while the flow goes on.
_FILL = """
UPDATE payments p SET parked_at = (SELECT max(e.created_at) FROM events e
    WHERE e.payment_id = p.id AND e.type = 'settlepipe.payment.parked')
WHERE p.state = 'parked' AND p.parked_at IS NULL
"""
_INDEXES = {
    "payments_parked_at": "payments (parked_at) WHERE state = 'parked'",
    "payments_parked_sum": "payments (currency, amount_minor DESC NULLS LAST, parked_at) WHERE state = 'parked'",
    "payments_parked_books": "payments (books_key) WHERE state = 'parked'",
}


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))
    for name, on in _INDEXES.items():
        create_index(name, on)
    op.execute(_FILL)


def downgrade() -> None:
    for name in _INDEXES:
        drop_index(name)
    op.execute("DROP TRIGGER c_parked ON payments")
    op.execute("DROP FUNCTION payment_parked")
    op.execute("ALTER TABLE payments DROP COLUMN parked_at")
    op.execute("ALTER TABLE archive.payments DROP COLUMN parked_at")

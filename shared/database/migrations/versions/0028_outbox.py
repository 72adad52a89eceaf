"""What the relay has to carry stands in a table of its own; code of before goes on by the mark in the events' rows."""

from pathlib import Path

from alembic import op

revision = "0028"
down_revision = "0027"
half = "pre"


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute("ALTER TABLE payments SET (fillfactor = 80)")
    op.execute("DROP TABLE outbox; DROP FUNCTION put_in_outbox, mark_event, refuse_untold CASCADE")

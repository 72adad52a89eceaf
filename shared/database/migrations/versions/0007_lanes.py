"""A lane that begins to run again takes back what was dispatched before it stood still."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"

_BACK = """
CREATE OR REPLACE FUNCTION lane_stops() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE runs boolean := NEW.paused_at IS NULL AND NEW.halted_at IS NULL AND NEW.open_until IS NULL;
BEGIN
    IF runs AND OLD.stopped_at IS NOT NULL THEN
        NEW.stopped_for := OLD.stopped_for + (clock() - OLD.stopped_at);
        NEW.stopped_at := NULL;
        NEW.probe_payment_id := NULL;
    ELSIF NOT runs AND OLD.stopped_at IS NULL THEN
        NEW.stopped_at := clock();
    END IF;
    RETURN NEW;
END $$;
ALTER TABLE lanes DROP COLUMN resumed;
"""


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(_BACK.replace(":", r"\:"))

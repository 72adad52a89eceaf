"""The archive of finished payments."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0002"

_BACK = """
INSERT INTO payments SELECT * FROM archive.payments;
INSERT INTO attempts SELECT * FROM archive.attempts;
INSERT INTO checks SELECT * FROM archive.checks;
INSERT INTO events OVERRIDING SYSTEM VALUE SELECT * FROM archive.events;
INSERT INTO follow_ups OVERRIDING SYSTEM VALUE SELECT * FROM archive.follow_ups;
INSERT INTO resolutions OVERRIDING SYSTEM VALUE SELECT * FROM archive.resolutions;
DROP SCHEMA archive CASCADE;
DROP INDEX discrepancies_open;
ALTER TABLE discrepancies ADD FOREIGN KEY (payment_id) REFERENCES payments;
DROP TRIGGER payment_accepted ON payments;
CREATE TRIGGER payment_accepted AFTER INSERT ON payments FOR EACH ROW EXECUTE FUNCTION payment_accepted();
"""


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(_BACK)

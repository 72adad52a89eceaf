"""The outbox alone says what is to be carried: events' rows are written once."""

from pathlib import Path

from alembic import op

revision = "0029"
down_revision = "0028"
half = "post"

_BACK = """
ALTER TABLE events ADD COLUMN pending boolean NOT NULL DEFAULT false;
ALTER TABLE events ALTER pending SET DEFAULT true;
ALTER TABLE archive.events ADD COLUMN pending boolean NOT NULL DEFAULT false;
ALTER TABLE archive.events ADD CONSTRAINT relayed CHECK (NOT pending);
UPDATE events SET pending = true WHERE id IN (SELECT id FROM outbox);
CREATE INDEX events_pending ON events (id) WHERE pending;
CREATE INDEX ON archive.events (id) WHERE pending;
DROP TRIGGER put_in_outbox ON events;
"""


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    before = Path(__file__).with_name("0028_outbox.sql").read_text("utf-8")
    op.execute(_BACK)
    op.execute(
        before[before.index("CREATE FUNCTION put_in_outbox") : before.index("CREATE FUNCTION refuse_untold")]
        .replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
        .replace(":", r"\:")
    )

"""The relay takes turns that are told apart, a replay has a cursor, and slots of a time to come are known."""

from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"

# What a replay had not written yet is not written: the older version begins it anew when it is asked to.
_BACK = """
DROP INDEX job_runs_slot;
ALTER TABLE job_runs DROP COLUMN ahead_since;
DELETE FROM relay_position WHERE entry_id IS NULL;
ALTER TABLE relay_position
    DROP COLUMN turn, DROP COLUMN replay, DROP COLUMN replay_first, DROP COLUMN replay_next, DROP COLUMN replay_last,
    ALTER COLUMN entry_id SET NOT NULL;
"""


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(_BACK)

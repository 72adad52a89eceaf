"""The database keeps which code can work with it; a role that may not make tables can compare a night's books."""

from pathlib import Path

from alembic import op

revision = "0020"
down_revision = "0019"
half = "pre"

_BACK = """
DROP FUNCTION begin_run_payments(bigint), attach_run_payments(bigint), drop_run_payments(bigint), analyze_night(bigint),
    analyze_checks();
DROP TABLE code_range;
"""


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(_BACK)

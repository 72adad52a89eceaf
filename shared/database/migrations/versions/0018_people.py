"""What people do is kept in a chain; who they are, and what two of them have to agree on."""

from pathlib import Path

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8"))


def downgrade() -> None:
    op.execute(
        "ALTER TABLE resolutions DROP COLUMN approved_by; ALTER TABLE archive.resolutions DROP COLUMN approved_by"
    )
    op.execute("ALTER TABLE bank_accounts DROP COLUMN chosen_at, DROP COLUMN chosen_by")
    op.execute("DROP TABLE taken_lines, proposals, people, audit")
    op.execute("DROP FUNCTION refuse_audit_change(), refuse_proposal_change()")

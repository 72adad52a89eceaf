"""The archive of finished payments."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"

BACK = """
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'archive' ORDER BY tablename <> 'payments' LOOP
        EXECUTE format('INSERT INTO public.%I OVERRIDING SYSTEM VALUE SELECT * FROM archive.%I', name, name);
    END LOOP;
END $$;
DROP SCHEMA archive CASCADE;
DROP INDEX discrepancies_open;
ALTER TABLE discrepancies ADD FOREIGN KEY (payment_id) REFERENCES payments;
DROP TRIGGER payment_accepted ON payments;
CREATE TRIGGER payment_accepted AFTER INSERT ON payments FOR EACH ROW EXECUTE FUNCTION payment_accepted();
"""


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(BACK)

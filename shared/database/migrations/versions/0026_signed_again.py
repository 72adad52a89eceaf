"""A day that changed after it was signed is signed again: each signature has a version, and says what it covers."""

from pathlib import Path

from alembic import op

revision = "0026"
down_revision = "0025"
half = "pre"

# What was signed again is lost with this: the release before knows one signature in each role.
_BACK = """
ALTER TABLE day_signatures DISABLE TRIGGER signature_kept;
DELETE FROM day_signatures WHERE version > 1;
ALTER TABLE day_signatures ENABLE TRIGGER signature_kept;
ALTER TABLE day_signatures DROP CONSTRAINT day_signatures_pkey;
ALTER TABLE day_signatures ADD PRIMARY KEY (provider, day, role);
ALTER TABLE day_signatures DROP COLUMN version, DROP COLUMN books;
CREATE OR REPLACE FUNCTION refuse_signature() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM reconciliations WHERE provider = NEW.provider AND day = NEW.day FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no run of this day' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.role = 'reviewed' AND NOT EXISTS (SELECT FROM day_signatures s
            WHERE s.provider = NEW.provider AND s.day = NEW.day AND s.role = 'prepared') THEN
        RAISE EXCEPTION 'a day is prepared before it is reviewed' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM people) AND EXISTS (SELECT FROM day_signatures s WHERE s.provider = NEW.provider
            AND s.day = NEW.day AND lower(s.by_whom) = lower(NEW.by_whom)) THEN
        RAISE EXCEPTION 'a day is prepared by one person and reviewed by another' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    op.execute(Path(__file__).with_suffix(".sql").read_text("utf-8").replace(":", r"\:"))


def downgrade() -> None:
    op.execute(_BACK)

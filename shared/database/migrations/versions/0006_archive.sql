-- Where finished payments go with all that belongs to them (shared/store/archive.py moves them).
--
-- Each table here is the twin of one in `public`: the same columns in the same order, because rows move by
-- `SELECT *`. A later migration that changes the columns of one table changes its twin in the same way, and a new
-- table whose rows belong to a payment gets a twin and its line in archive.py; a table that refers to payments and
-- has no twin must do without a foreign key. A test compares the pairs and looks for such keys.
CREATE SCHEMA archive;
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['payments', 'attempts', 'checks', 'events', 'follow_ups', 'resolutions'] LOOP
        -- The indexes too: checks read the books as fast as before. Those of what is due stay empty.
        EXECUTE format('CREATE TABLE archive.%I (LIKE public.%I INCLUDING CONSTRAINTS INCLUDING INDEXES)', name, name);
    END LOOP;
END $$;
ALTER TABLE archive.payments ADD CONSTRAINT finished CHECK (finished_at IS NOT NULL);
ALTER TABLE archive.events ADD CONSTRAINT relayed CHECK (NOT pending);  -- the relay doesn't look here

-- A discrepancy outlives its payment's time in the hot tables.
ALTER TABLE discrepancies DROP CONSTRAINT discrepancies_payment_id_fkey;
CREATE INDEX discrepancies_open ON discrepancies (payment_id) WHERE resolved_at IS NULL;

-- What comes back from the archive is finished and was told long ago.
DROP TRIGGER payment_accepted ON payments;
CREATE TRIGGER payment_accepted AFTER INSERT ON payments FOR EACH ROW WHEN (NEW.state = 'accepted')
    EXECUTE FUNCTION payment_accepted();

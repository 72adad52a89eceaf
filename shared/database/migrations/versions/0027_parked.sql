-- Since when a payment waits for a person: with very many the inbox shows the first of them by an index, in place of
-- looking for each one's event.
ALTER TABLE payments ADD COLUMN IF NOT EXISTS parked_at timestamptz;
ALTER TABLE archive.payments ADD COLUMN IF NOT EXISTS parked_at timestamptz;

CREATE OR REPLACE FUNCTION payment_parked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.parked_at := clock();
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER c_parked BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state = 'parked') EXECUTE FUNCTION payment_parked();

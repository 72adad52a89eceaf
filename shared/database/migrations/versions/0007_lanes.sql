-- A lane that begins to run again: what was dispatched before it stood still has lost its messages (workers drop what
-- they may not claim), and is dispatched anew at the dispatcher's next look, not when its leases end.
ALTER TABLE lanes ADD COLUMN resumed boolean NOT NULL DEFAULT false;

CREATE OR REPLACE FUNCTION lane_stops() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE runs boolean := NEW.paused_at IS NULL AND NEW.halted_at IS NULL AND NEW.open_until IS NULL;
BEGIN
    IF runs AND OLD.stopped_at IS NOT NULL THEN
        NEW.stopped_for := OLD.stopped_for + (clock() - OLD.stopped_at);
        NEW.stopped_at := NULL;
        NEW.probe_payment_id := NULL;
        NEW.resumed := true;
    ELSIF NOT runs AND OLD.stopped_at IS NULL THEN
        NEW.stopped_at := clock();
    END IF;
    RETURN NEW;
END $$;

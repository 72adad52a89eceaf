-- See shared/events/outbox.py. Until the next migration both are kept alike: the outbox, and the mark `pending` in the
-- events' rows, by which code of before carries and asks.
CREATE TABLE outbox (
    id    bigint PRIMARY KEY,
    asked integer NOT NULL DEFAULT 1
);

CREATE FUNCTION put_in_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.pending THEN
        INSERT INTO outbox (id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM outbox WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER put_in_outbox AFTER INSERT ON events FOR EACH ROW WHEN (NEW.pending) EXECUTE FUNCTION put_in_outbox();
CREATE TRIGGER mark_outbox AFTER UPDATE OF pending ON events FOR EACH ROW
    WHEN (OLD.pending <> NEW.pending) EXECUTE FUNCTION put_in_outbox();

CREATE FUNCTION mark_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE events SET pending = false WHERE id = OLD.id AND pending;
    ELSE
        UPDATE events SET pending = true WHERE id = NEW.id AND NOT pending;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_event AFTER INSERT OR DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION mark_event();

CREATE FUNCTION refuse_untold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN outbox USING (id)) THEN
        RAISE EXCEPTION 'an event that has to be told goes nowhere' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refuse_untold AFTER DELETE ON events REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_untold();

-- A payment's versions beside each other: what is written to the log of each step is what changed, not all of it.
ALTER TABLE payments SET (fillfactor = 50);

-- The first of these triggers keeps out whoever writes an event until this is committed: none is missed.
ALTER TABLE outbox DISABLE TRIGGER mark_event;
INSERT INTO outbox (id) SELECT id FROM events WHERE pending;
ALTER TABLE outbox ENABLE TRIGGER mark_event;

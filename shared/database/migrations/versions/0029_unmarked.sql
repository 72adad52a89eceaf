-- See shared/events/outbox.py: no code is left that reads or writes the mark.
DROP TRIGGER put_in_outbox ON events;
DROP TRIGGER mark_outbox ON events;
DROP TRIGGER mark_event ON outbox;
DROP FUNCTION mark_event();
CREATE OR REPLACE FUNCTION put_in_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER put_in_outbox AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION put_in_outbox();
ALTER TABLE events DROP COLUMN pending;
ALTER TABLE archive.events DROP COLUMN pending;

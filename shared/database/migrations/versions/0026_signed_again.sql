-- version: counted from 1; books: a digest of all that the day came to. Null: a release before this one signed it.
ALTER TABLE day_signatures ADD version integer NOT NULL DEFAULT 1 CHECK (version > 0), ADD books text;
ALTER TABLE day_signatures DROP CONSTRAINT day_signatures_pkey; -- a table of a row or two for each day
ALTER TABLE day_signatures ADD PRIMARY KEY (provider, day, version, role);

-- While nobody is set up (people), names prove nothing, and one may sign twice. The day's run is locked first: two
-- signatures at the same moment see each other.
CREATE OR REPLACE FUNCTION refuse_signature() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    latest   integer;
    prepared day_signatures;
    same     boolean;
BEGIN
    PERFORM FROM reconciliations WHERE provider = NEW.provider AND day = NEW.day FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no run of this day' USING ERRCODE = 'check_violation';
    END IF;
    SELECT coalesce(max(s.version), 0) INTO latest FROM day_signatures s
    WHERE s.provider = NEW.provider AND s.day = NEW.day;
    SELECT * INTO prepared FROM day_signatures s
    WHERE s.provider = NEW.provider AND s.day = NEW.day AND s.version = latest AND s.role = 'prepared';
    same := prepared.seen @> NEW.seen AND prepared.seen <@ NEW.seen
        AND coalesce(prepared.books = NEW.books, true);
    IF NEW.role = 'reviewed' THEN
        IF prepared IS NULL OR NEW.version <> latest THEN
            RAISE EXCEPTION 'a day is prepared before it is reviewed' USING ERRCODE = 'check_violation';
        END IF;
        IF EXISTS (SELECT FROM people) AND lower(prepared.by_whom) = lower(NEW.by_whom) THEN
            RAISE EXCEPTION 'a day is prepared by one person and reviewed by another' USING ERRCODE = 'check_violation';
        END IF;
        IF NOT same THEN
            RAISE EXCEPTION 'what was prepared is what is reviewed' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.version <> latest + 1 THEN
        RAISE EXCEPTION 'a day''s signatures are numbered, and % is not the next one', NEW.version
            USING ERRCODE = 'check_violation';
    ELSIF latest > 0 AND same THEN
        RAISE EXCEPTION 'nothing about a day has changed since it was signed' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

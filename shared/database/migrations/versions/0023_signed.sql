ALTER TABLE discrepancies ADD owner text, ADD due date, ADD closing_code text;
ALTER TABLE discrepancies ADD CONSTRAINT discrepancies_code
    CHECK (closing_code IN ('timing', 'fee', 'provider_error', 'our_error', 'other')) NOT VALID;
ALTER TABLE discrepancies VALIDATE CONSTRAINT discrepancies_code; -- as many rows as there were ever discrepancies
ALTER TABLE told_discrepancies ADD owner text, ADD due date, ADD closing_code text, ADD notes jsonb;

-- What people said and did about a discrepancy, one after another.
CREATE TABLE discrepancy_notes (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number  bigint NOT NULL REFERENCES discrepancies,
    at      timestamptz NOT NULL DEFAULT clock(),
    by_whom text NOT NULL,
    deed    text NOT NULL CHECK (deed IN ('assigned', 'comment', 'closed', 'reopened')),
    text    text,                      -- the comment, or why
    owner   text,
    due     date,
    code    text,
    CHECK (deed = 'assigned' OR text <> '')
);
CREATE INDEX discrepancy_notes_number ON discrepancy_notes (number);
CREATE FUNCTION refuse_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append only', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER note_kept BEFORE UPDATE OR DELETE ON discrepancy_notes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_note_change();

-- A day of a provider's books is prepared by one person and reviewed by another, once. seen: what the day came to then,
-- by the night that said so and by currency; what is different later is a correction.
CREATE TABLE day_signatures (
    provider text NOT NULL,
    day      date NOT NULL,
    role     text NOT NULL CHECK (role IN ('prepared', 'reviewed')),
    by_whom  text NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock(),
    reason   text,
    seen     jsonb NOT NULL,
    PRIMARY KEY (provider, day, role)
);
-- While nobody is set up (people), names prove nothing, and one may sign twice. The day's run is locked first: two
-- signatures at the same moment see each other.
CREATE FUNCTION refuse_signature() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER two_people BEFORE INSERT ON day_signatures FOR EACH ROW EXECUTE FUNCTION refuse_signature();
CREATE TRIGGER signature_kept BEFORE UPDATE OR DELETE ON day_signatures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_note_change();

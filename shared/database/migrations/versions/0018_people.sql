-- All that people did, append only: each record's hash covers the one before (shared/audit.py says how), so that none
-- can be changed, left out or put in between without the chain showing it.
CREATE TABLE audit (
    number   bigint PRIMARY KEY,          -- 1, 2, 3, … without a gap
    at       timestamptz NOT NULL,
    by_whom  text NOT NULL,
    action   text NOT NULL,
    subject  text NOT NULL,
    reason   text,
    content  json NOT NULL,               -- canonical
    previous bytea UNIQUE,                -- the hash of the record before; none: this is the first one
    hash     bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    FOREIGN KEY (previous) REFERENCES audit (hash),
    CHECK ((number = 1) = (previous IS NULL))
);
CREATE INDEX audit_at ON audit (at);

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append only' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- Who may decide. While nobody is here any name counts; once somebody was, a person proves who they are by a token.
CREATE TABLE people (
    name         text PRIMARY KEY CHECK (name <> ''),
    role         text NOT NULL CHECK (role IN ('viewer', 'operator', 'approver', 'accountant')),
    token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32), -- of 256 random bits
    added_at     timestamptz NOT NULL DEFAULT clock(),
    added_by     text NOT NULL,
    rotated_at   timestamptz,
    revoked_at   timestamptz,
    revoked_by   text,
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE UNIQUE INDEX people_name ON people (lower(name)); -- Ann and ann would be two people who are one

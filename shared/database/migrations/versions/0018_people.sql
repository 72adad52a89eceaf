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

-- What one person asked for and another one has to agree to. Nothing else changes until then; what is approved is done
-- in the transaction that says so here.
CREATE TABLE proposals (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL,
    subject     text NOT NULL,
    asked       json NOT NULL,                 -- the words of the command
    seen        json NOT NULL,                 -- what it rests on; where that is other, it is void
    reason      text NOT NULL,
    proposed_by text NOT NULL REFERENCES people,
    proposed_at timestamptz NOT NULL DEFAULT clock(),
    ends_at     timestamptz NOT NULL,          -- void after that
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'rejected', 'void')),
    ended_at    timestamptz,
    ended_by    text REFERENCES people,        -- void: nobody
    ended_why   text,
    CHECK ((state = 'open') = (ended_at IS NULL)),
    CHECK (state IN ('open', 'void') OR ended_by IS NOT NULL),
    CONSTRAINT two_people CHECK (state <> 'approved' OR ended_by <> proposed_by)
);
CREATE INDEX proposals_open ON proposals (id) WHERE state = 'open';

-- What was proposed never changes, and what has ended stays so.
CREATE FUNCTION refuse_proposal_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'proposal % may not change like this', OLD.id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER proposal_kept BEFORE UPDATE ON proposals FOR EACH ROW
    WHEN (OLD.state <> 'open'
        OR (NEW.id, NEW.kind, NEW.subject, NEW.asked::text, NEW.seen::text, NEW.reason, NEW.proposed_by, NEW.proposed_at,
            NEW.ends_at) IS DISTINCT FROM
           (OLD.id, OLD.kind, OLD.subject, OLD.asked::text, OLD.seen::text, OLD.reason, OLD.proposed_by, OLD.proposed_at,
            OLD.ends_at))
    EXECUTE FUNCTION refuse_proposal_change();
CREATE TRIGGER proposal_not_deleted BEFORE DELETE ON proposals FOR EACH ROW EXECUTE FUNCTION refuse_proposal_change();

-- Who agreed to what a person decided, where two had to.
ALTER TABLE resolutions ADD approved_by text;
ALTER TABLE archive.resolutions ADD approved_by text;
ALTER TABLE resolutions ADD CONSTRAINT two_people CHECK (approved_by <> by_whom);
ALTER TABLE archive.resolutions ADD CONSTRAINT two_people CHECK (approved_by <> by_whom);

-- A line of a provider's books is evidence for one payment only. account: the list that it stands in (`books_key`). line:
-- its number there, or a digest of what it says. by_whom: the person who took it; none: our reference stands in it. Never
-- purged, and without a foreign key: payments go to the archive.
CREATE TABLE taken_lines (
    provider   text NOT NULL,
    account    text NOT NULL,
    line       text NOT NULL,
    payment_id bigint NOT NULL,
    by_whom    text,
    taken_at   timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (provider, account, line)
);

-- The lines that people named before. Where the books showed our own reference, the line was no evidence.
INSERT INTO taken_lines (provider, account, line, payment_id, by_whom, taken_at)
SELECT p.provider, coalesce(p.books_key, ''), r.line, p.id, r.by_whom, r.resolved_at
FROM (SELECT id, payment_id, action, line, look, by_whom, resolved_at FROM resolutions
      UNION ALL SELECT id, payment_id, action, line, look, by_whom, resolved_at FROM archive.resolutions) r
JOIN (SELECT id, provider, books_key FROM payments UNION ALL SELECT id, provider, books_key FROM archive.payments) p
    ON p.id = r.payment_id
WHERE r.line IS NOT NULL AND r.action = 'succeeded' AND r.look ->> 'verdict' IS DISTINCT FROM 'applied'
ORDER BY r.id
ON CONFLICT DO NOTHING;

-- Where several accounts of a service fit, the one that a person says its bills are paid to: one for each branch.
ALTER TABLE bank_accounts ADD chosen_at timestamptz;
ALTER TABLE bank_accounts ADD chosen_by text;
ALTER TABLE bank_accounts ADD CONSTRAINT chosen CHECK ((chosen_at IS NULL) = (chosen_by IS NULL));
CREATE UNIQUE INDEX bank_accounts_chosen ON bank_accounts (provider, service, khut_type)
    WHERE chosen_at IS NOT NULL AND closed_at IS NULL;

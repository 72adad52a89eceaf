-- What lets a person into the control room. Of a revoked person, and of one who was set up anew since, it opens nothing.
CREATE TABLE people_passwords (
    name      text PRIMARY KEY REFERENCES people,
    hash      text NOT NULL CHECK (hash LIKE '$argon2id$%'),
    set_at    timestamptz NOT NULL DEFAULT clock(),
    totp      bytea,                       -- the secret of one-time codes, encrypted by SECRET_KEYS
    totp_step bigint NOT NULL DEFAULT 0    -- of the last code that was taken: none is taken twice
);

-- Who is in the control room. While nobody is set up it is whoever has the password that `up` made.
CREATE TABLE people_sessions (
    id_sha256 bytea PRIMARY KEY CHECK (octet_length(id_sha256) = 32), -- of 256 random bits
    name      text NOT NULL,
    began_at  timestamptz NOT NULL DEFAULT clock(),
    used_at   timestamptz NOT NULL DEFAULT clock(),
    ends_at   timestamptz NOT NULL,
    by_oidc   boolean NOT NULL DEFAULT false  -- an OpenID Connect provider said who it is; else a password did
);
CREATE INDEX people_sessions_name ON people_sessions (name);
CREATE INDEX people_sessions_ends ON people_sessions (ends_at);

-- Log-ins that failed: who tries has to wait, longer each time, up to a bound.
CREATE TABLE people_attempts (
    whose      text PRIMARY KEY,           -- SHA-256 of a name, an address, or a browser in which a person was in before
    failures   integer NOT NULL,
    last_at    timestamptz NOT NULL,
    wait_until timestamptz NOT NULL
);
CREATE INDEX people_attempts_last ON people_attempts (last_at);

-- Forms that were sent and done: the same one sent again changes nothing.
CREATE TABLE people_forms (
    token text PRIMARY KEY,
    name  text NOT NULL,
    at    timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX people_forms_at ON people_forms (at);

-- Whoever only reads has no use for a hash, which could be tried at home: what a role was given with all other tables
-- (shared/database/grants.sql) is taken from it.
DO $$
DECLARE given record;
BEGIN
    FOR given IN
        SELECT DISTINCT c.relname, a.grantee::regrole AS role FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid IN ('people_passwords'::regclass, 'people_sessions'::regclass)
            AND a.grantee NOT IN (0, c.relowner) AND NOT has_table_privilege(a.grantee, c.oid, 'INSERT')
    LOOP
        EXECUTE format('REVOKE ALL ON %I FROM %s', given.relname, given.role);
    END LOOP;
END $$;

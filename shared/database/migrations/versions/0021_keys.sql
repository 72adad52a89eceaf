-- What lets an upstream in by HTTP: as many keys for a source as it takes to change one without a pause.
CREATE TABLE source_keys (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text NOT NULL CHECK (source <> ''),
    key_sha256   bytea NOT NULL UNIQUE CHECK (octet_length(key_sha256) = 32), -- of 256 random bits
    created_at   timestamptz NOT NULL DEFAULT clock(),
    created_by   text NOT NULL,
    last_used_at timestamptz,         -- to the minute, so that a request is no write
    revoked_at   timestamptz,
    revoked_by   text,
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);

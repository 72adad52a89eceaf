-- name: lock
-- Two who create keys of one source at the same moment count one after the other.
SELECT pg_advisory_xact_lock(hashtextextended('settlepipe keys of ' || %(source)s, 0))

-- name: count
SELECT count(*) AS n FROM source_keys WHERE source = %(source)s AND revoked_at IS NULL

-- name: create
INSERT INTO source_keys (source, key_sha256, created_by) VALUES (%(source)s, %(digest)s, %(by)s) RETURNING id

-- name: revoke
UPDATE source_keys SET revoked_at = clock(), revoked_by = %(by)s WHERE id = %(id)s AND revoked_at IS NULL
RETURNING source

-- name: listed
SELECT id, source, utc_text(created_at) AS created_at, created_by, utc_text(last_used_at) AS last_used_at,
    utc_text(revoked_at) AS revoked_at, revoked_by
FROM source_keys ORDER BY revoked_at IS NOT NULL, source, id

-- name: opened
WITH found AS (
    SELECT id, source, last_used_at FROM source_keys WHERE key_sha256 = %(digest)s AND revoked_at IS NULL
), used AS (
    UPDATE source_keys k SET last_used_at = date_trunc('minute', clock()) FROM found
    WHERE k.id = found.id AND (found.last_used_at IS NULL OR found.last_used_at < date_trunc('minute', clock()))
)
SELECT id, source FROM found

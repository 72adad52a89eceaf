-- name: read
SELECT version, token, refused, after_refusal, greatest(extract(epoch FROM clock() - saved_at), 0)::float8 AS age_s
FROM tokens WHERE provider = %s

-- name: save
INSERT INTO tokens AS t (provider, version, token, after_refusal) VALUES (%s, 1, %s, %s)
ON CONFLICT (provider) DO UPDATE SET version = t.version + 1, token = excluded.token, refused = false,
    after_refusal = excluded.after_refusal, saved_at = clock()
WHERE %s::bigint IS NULL OR t.version = %s
RETURNING version, refused, after_refusal, 0::float8 AS age_s

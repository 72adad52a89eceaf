-- name: keep
INSERT INTO people_passwords (name, hash)
SELECT name, %(hash)s FROM people WHERE name = %(name)s AND revoked_at IS NULL
ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, set_at = clock()

-- name: keep_totp
UPDATE people_passwords SET totp = %(totp)s, totp_step = 0 WHERE name = %(name)s

-- name: end_sessions
DELETE FROM people_sessions WHERE name = %(name)s

-- name: forget
DELETE FROM people_passwords WHERE name = %(name)s

-- name: known
-- A password that is older than the person's being here was somebody else's, or is of before they were revoked.
SELECT p.name, w.hash, w.totp, coalesce(w.totp_step, 0) AS totp_step FROM people p
LEFT JOIN people_passwords w ON w.name = p.name AND w.set_at >= p.added_at
WHERE lower(p.name) = lower(%(name)s) AND p.revoked_at IS NULL

-- name: states
-- Of everybody who is here: have they a password, and are they asked for a code? As `known`.
SELECT p.name, w.name IS NOT NULL AS password, w.totp IS NOT NULL AS totp FROM people p
LEFT JOIN people_passwords w ON w.name = p.name AND w.set_at >= p.added_at WHERE p.revoked_at IS NULL

-- name: still
SELECT FROM people_passwords
WHERE name = %(name)s AND hash = %(hash)s AND totp IS NOT DISTINCT FROM %(totp)s::bytea FOR UPDATE

-- name: took
UPDATE people_passwords SET totp_step = %(step)s WHERE name = %(name)s AND totp_step < %(step)s

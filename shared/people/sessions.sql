-- name: now
SELECT extract(epoch FROM clock())::float8 AS now_s

-- name: forget_attempts
DELETE FROM people_attempts WHERE last_at < clock() - make_interval(secs => %(forgotten_s)s)

-- name: attempt
-- Counted before the password is looked at. No row: it has to wait, and is not counted.
INSERT INTO people_attempts AS a (whose, failures, last_at, wait_until) VALUES (%(whose)s, 1, clock(), clock())
ON CONFLICT (whose) DO UPDATE SET failures = a.failures + 1, last_at = clock(),
    wait_until = clock() + make_interval(secs => CASE WHEN a.failures + 1 < %(free)s THEN 0
        ELSE least(%(most_s)s, power(2, 2 + least(a.failures + 1 - %(free)s, 16))) END)
WHERE a.wait_until <= clock()
RETURNING failures

-- name: waits
SELECT ceil(extract(epoch FROM wait_until - clock()))::int AS wait_s FROM people_attempts WHERE whose = %(whose)s

-- name: worked
DELETE FROM people_attempts WHERE whose = ANY(%(whose)s)

-- name: forget
WITH forms AS (DELETE FROM people_forms WHERE at < clock() - interval '8 days')
DELETE FROM people_sessions WHERE ends_at < clock()

-- name: begin
INSERT INTO people_sessions (id_sha256, name, ends_at, by_oidc)
VALUES (%(id)s, %(name)s, clock() + make_interval(secs => %(most_s)s), %(oidc)s)

-- name: lock
SELECT FROM people_sessions WHERE id_sha256 = %(id)s FOR SHARE

-- name: find
-- Of a person who is here still, under the password that it began with. Without a role: nobody is set up.
WITH found AS (
    SELECT s.id_sha256, s.name, s.used_at, p.role
    FROM people_sessions s
    LEFT JOIN people p ON p.name = s.name AND p.revoked_at IS NULL AND p.added_at <= s.began_at
    LEFT JOIN people_passwords w ON w.name = s.name AND w.set_at <= s.began_at
    WHERE s.id_sha256 = %(id)s AND s.ends_at > clock()
        AND s.used_at > clock() - make_interval(secs => %(idle_s)s)
        AND CASE WHEN EXISTS (SELECT FROM people) THEN p.name IS NOT NULL AND (w.name IS NOT NULL OR s.by_oidc AND %(oidc)s) ELSE %(alone)s END
), used AS (
    UPDATE people_sessions s SET used_at = clock() FROM found
    WHERE %(used)s AND s.id_sha256 = found.id_sha256
        AND found.used_at < clock() - make_interval(secs => least(60, %(idle_s)s / 10))
)
SELECT name, role FROM found

-- name: end
DELETE FROM people_sessions WHERE id_sha256 = %(id)s

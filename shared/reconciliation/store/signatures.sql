-- name: known
SELECT r.day, r.started_at >= r.period_to AS over, r.carried_at IS NOT NULL AND r.divided AS compared
FROM reconciliations r WHERE r.provider = %(provider)s AND r.day = %(day)s FOR UPDATE

-- name: of_day
SELECT role, by_whom, at FROM day_signatures WHERE provider = %(provider)s AND day = %(day)s ORDER BY role

-- name: sign
INSERT INTO day_signatures (provider, day, role, by_whom, reason, seen)
VALUES (%(provider)s, %(day)s, %(role)s, %(by)s, %(reason)s, %(seen)s::jsonb)

-- name: signed
SELECT day, max(by_whom) FILTER (WHERE role = 'prepared') AS prepared_by,
    max(at) FILTER (WHERE role = 'prepared') AS prepared_at, max(by_whom) FILTER (WHERE role = 'reviewed') AS reviewed_by,
    max(at) FILTER (WHERE role = 'reviewed') AS reviewed_at
FROM day_signatures WHERE provider = %(provider)s AND day >= %(from)s AND day < %(to)s GROUP BY day ORDER BY day

-- name: turn
SELECT pg_advisory_xact_lock(hashtextextended('settlepipe signed days of ' || %(provider)s, 0))

-- name: signed
SELECT min(day) AS first, max(day) AS last FROM day_signatures WHERE provider = %(provider)s

-- name: clear
UPDATE alerts SET cleared_at = clock() WHERE cleared_at IS NULL AND name = %(name)s AND subject = ANY(%(subjects)s::text[])

-- name: raise
INSERT INTO alerts AS a (name, subject, figures)
SELECT %(name)s, s.subject, s.figures FROM unnest(%(subjects)s::text[], %(figures)s::jsonb[]) AS s(subject, figures)
ON CONFLICT (name, subject) WHERE cleared_at IS NULL DO UPDATE SET seen_at = clock(), figures = excluded.figures
RETURNING subject, figures, xmax = 0 AS fresh

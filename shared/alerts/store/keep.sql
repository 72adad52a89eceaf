-- name: forget
DELETE FROM alerts WHERE cleared_at < clock() - make_interval(days => %(days)s)

-- name: stood
-- Which of them stand, and the newest of all: two such are the same while nobody raised or cleared one in between.
SELECT (SELECT max(id) FROM alerts) AS newest, ARRAY(SELECT id FROM alerts WHERE cleared_at IS NULL ORDER BY id) AS standing

-- name: clear
-- Of those that this release knows: what a newer one raised is not its to clear.
UPDATE alerts SET cleared_at = clock()
WHERE cleared_at IS NULL AND name = ANY(%(known)s) AND (name, subject) NOT IN (SELECT * FROM unnest(%(names)s::text[], %(subjects)s::text[]))
RETURNING name, subject, figures, extract(epoch FROM cleared_at - raised_at)::float8 AS stood_s

-- name: raise
-- What stood before is seen again; only what is new comes back.
INSERT INTO alerts AS a (name, subject, figures)
SELECT * FROM unnest(%(names)s::text[], %(subjects)s::text[], %(figures)s::jsonb[])
ON CONFLICT (name, subject) WHERE cleared_at IS NULL DO UPDATE SET seen_at = clock(), figures = excluded.figures
RETURNING name, subject, figures, xmax = 0 AS fresh

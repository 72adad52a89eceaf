-- name: take
-- What this way is to tell next, taken for a lease: what stands and was not told (or is to be told again), and the end
-- of what was tried to be told. Whoever took one meanwhile counted its attempts on, and it isn't taken twice.
WITH found AS (
    SELECT a.id, a.name, false AS ended,
        coalesce(a.figures ->> 'payments', a.figures ->> 'discrepancies', a.figures ->> 'entries', '0')::bigint AS number
    FROM alerts a WHERE a.cleared_at IS NULL
    UNION ALL
    SELECT a.id, a.name, true, 0 FROM alerts_told o JOIN alerts a ON a.id = o.alert_id
    WHERE o.way = %(way)s AND o.cleared_told_at IS NULL AND a.cleared_at IS NOT NULL
), due AS (
    SELECT f.id, coalesce(t.attempts, 0) AS attempts, t.told_at
    FROM found f LEFT JOIN alerts_told t ON t.alert_id = f.id AND t.way = %(way)s
    WHERE coalesce(t.due_at <= clock(), true) AND f.name = coalesce(%(only)s::text, f.name) AND (f.ended OR t.told_at IS NULL
        OR t.told_at <= clock() - make_interval(secs => %(repeat_s)s)
        OR f.number > t.told_number AND t.told_at <= clock() - make_interval(secs => %(again_s)s))
    ORDER BY f.id LIMIT %(limit)s
), taken AS (
    INSERT INTO alerts_told AS t (alert_id, way, attempts, tries, tried_since, due_at)
    SELECT id, %(way)s, attempts + 1, 1, clock(), clock() + make_interval(secs => %(lease_s)s) FROM due
    ON CONFLICT (alert_id, way) DO UPDATE SET attempts = excluded.attempts, tries = t.tries + 1,
        tried_since = coalesce(t.tried_since, clock()), due_at = excluded.due_at
    WHERE t.attempts = excluded.attempts - 1
    RETURNING alert_id, attempts, tries
)
SELECT a.id, a.name, a.subject, a.figures, a.raised_at, a.cleared_at, t.attempts, t.tries,
    d.told_at IS NOT NULL AND a.cleared_at IS NULL AS again, clock() AS now
FROM taken t JOIN due d ON d.id = t.alert_id JOIN alerts a ON a.id = t.alert_id ORDER BY a.id

-- name: told
-- Noted by whoever took it last, and as what it was taken for: it may have ended meanwhile, and that is told next.
UPDATE alerts_told t SET due_at = NULL, tries = 0, tried_since = NULL, failure = %(failure)s,
    told_at = CASE WHEN n.ended THEN t.told_at ELSE clock() END,
    told_number = CASE WHEN n.ended THEN t.told_number ELSE n.number END,
    cleared_told_at = CASE WHEN n.ended THEN clock() END
FROM unnest(%(ids)s::bigint[], %(attempts)s::integer[], %(ended)s::boolean[], %(numbers)s::bigint[])
    AS n(id, attempts, ended, number)
WHERE t.alert_id = n.id AND t.way = %(way)s AND t.attempts = n.attempts

-- name: failed
UPDATE alerts_told t SET due_at = clock() + make_interval(secs => n.wait_s), failure = %(failure)s
FROM unnest(%(ids)s::bigint[], %(attempts)s::integer[], %(waits_s)s::float8[]) AS n(id, attempts, wait_s)
WHERE t.alert_id = n.id AND t.way = %(way)s AND t.attempts = n.attempts
RETURNING t.alert_id, clock() - t.tried_since > make_interval(secs => %(give_up_s)s) AS over

-- name: highest
SELECT coalesce(max(id), 0) AS id FROM events

-- name: writers
SELECT DISTINCT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'public.events'::regclass AND mode = 'RowExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- name: uncarried
SELECT min(id) AS id FROM outbox WHERE id > %(after)s

-- name: held
-- As far as a page looks; where that is not enough to know, there may be one.
WITH looked AS MATERIALIZED (
    SELECT type, subject FROM events WHERE id > %(after)s ORDER BY id LIMIT %(scanned)s
)
SELECT count(*) = %(scanned)s OR coalesce(bool_or(type = %(everybodys)s OR starts_with(subject, %(source)s || '/')
    AND split_part(type, '.', 2) IN ('payment', 'receipt', 'sms', 'intake')), false) AS held
FROM looked

-- name: page
-- Of a type whose subject is a payment's, and what concerns everybody: resend what was lost. How far was looked comes from
-- the same snapshot: what goes to the archive meanwhile makes room in the next one, and what fills it would be gone past.
WITH looked AS MATERIALIZED (
    SELECT * FROM events WHERE id > %(after)s AND id <= %(horizon)s ORDER BY id LIMIT %(scanned)s
), told AS (
    SELECT e.id, e.event_id, e.type, e.subject, e.data::text AS data, e.created_at,
        (SELECT p.traceparent FROM payments p WHERE p.id = e.payment_id) AS traceparent
    FROM looked e
    WHERE e.type = %(everybodys)s
        OR starts_with(e.subject, %(source)s || '/')
            AND split_part(e.type, '.', 2) IN ('payment', 'receipt', 'sms', 'intake')
    ORDER BY e.id LIMIT %(limit)s
)
SELECT t.*, s.n, s.last FROM (SELECT count(*) AS n, max(id) AS last FROM looked) AS s LEFT JOIN told t ON true
ORDER BY t.id

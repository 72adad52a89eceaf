-- name: due
WITH due AS (
    SELECT f.id FROM follow_ups f WHERE f.provider = %(provider)s AND f.due_at <= clock()
        AND f.state IN ('waiting', 'dispatched') ORDER BY f.due_at LIMIT %(room)s FOR UPDATE SKIP LOCKED
)
UPDATE follow_ups f SET state = 'dispatched', due_at = clock() + make_interval(secs => %(lease_s)s)
FROM due WHERE f.id = due.id RETURNING f.id

-- name: give_back
UPDATE follow_ups SET due_at = clock() WHERE id = ANY(%(ids)s::bigint[]) AND state = 'dispatched' AND due_at > clock()

-- name: kept
-- Read before they are replayed: one that comes back is not taken again by the same run.
SELECT id, stream, raw, whole_bytes FROM quarantine
WHERE id > %(after)s AND id <= %(last)s
    AND CASE WHEN %(ids)s::bigint[] IS NULL THEN id IN (SELECT id FROM quarantine_waiting)
             ELSE id = ANY(%(ids)s::bigint[]) END
ORDER BY id LIMIT %(limit)s

-- name: free
SELECT q.id FROM quarantine q WHERE q.id = ANY(%(ids)s) AND (NOT %(waiting)s OR q.id IN (SELECT id FROM quarantine_waiting))
    AND (%(dismissed)s OR NOT EXISTS (
        SELECT FROM dismissals d WHERE d.quarantine_id = q.id AND d.dismissed_at >= q.last_seen))

-- name: gone
SELECT subject FROM quarantine WHERE id = %(id)s AND replayed_at >= last_seen

-- name: forget
-- With its event, and never before that was told.
WITH old AS (
    SELECT id FROM quarantine q WHERE last_seen < clock() - make_interval(days => %(days)s)
        AND NOT EXISTS (SELECT FROM events e JOIN outbox USING (id)
                        WHERE e.event_id = ANY (event_names('q' || q.id || '-1')) AND e.payment_id IS NULL)
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM quarantine q USING old WHERE q.id = old.id RETURNING q.id
), told AS (
    DELETE FROM events e USING gone WHERE e.event_id = ANY (event_names('q' || gone.id || '-1')) AND e.payment_id IS NULL
)
SELECT count(*) AS count FROM gone

-- name: dismissed
SELECT utc_text(d.dismissed_at) AS at FROM quarantine q JOIN dismissals d ON d.quarantine_id = q.id
WHERE q.id = %(id)s AND d.dismissed_at >= q.last_seen ORDER BY d.id DESC LIMIT 1

-- name: dismiss
INSERT INTO dismissals (quarantine_id, sha256, subject, why, reason, by_whom)
SELECT id, sha256, subject, reason, %(reason)s, %(by)s FROM quarantine WHERE id = %(id)s FOR UPDATE RETURNING id

-- name: lock
-- Two who add webhooks of one source at the same moment count one after the other.
SELECT pg_advisory_xact_lock(hashtextextended('settlepipe webhooks of ' || %(source)s, 0))

-- name: count
SELECT count(*) AS n FROM webhooks WHERE source = %(source)s

-- name: add
INSERT INTO webhooks (source, url, created_by, position) VALUES (%(source)s, %(url)s, %(by)s, %(position)s) RETURNING id

-- name: range
-- Of events that are still here; both none where there is no such event. id + 0: by the index on the time. Of an id alone
-- the planner takes the first that it meets on its key, and goes past all that is older (or younger) for that.
SELECT min(id + 0) AS first, max(id + 0) AS last FROM events
WHERE created_at >= %(since)s AND created_at <= coalesce(%(until)s::timestamptz, 'infinity')

-- name: secret
INSERT INTO webhook_secrets (webhook_id, secret) VALUES (%(id)s, %(secret)s)

-- name: rotate_out
-- One overlap at a time: what was rotated out before is over.
WITH over AS (
    DELETE FROM webhook_secrets WHERE webhook_id = %(id)s AND until IS NOT NULL
)
UPDATE webhook_secrets SET until = clock() + make_interval(secs => %(overlap_s)s) WHERE webhook_id = %(id)s AND until IS NULL

-- name: locked
SELECT id, source, url, position, disabled_at FROM webhooks WHERE id = %(id)s FOR UPDATE

-- name: replay
-- Never beyond what was delivered: that comes anyway. One that is asked for while another is active widens it.
UPDATE webhooks SET replay_next = least(replay_next, %(first)s::bigint - 1),
    replay_last = greatest(replay_last, least(%(last)s::bigint, position))
WHERE id = %(id)s

-- name: count_range
SELECT count(*) AS n FROM events e JOIN webhooks w ON w.id = %(id)s
WHERE e.id >= %(first)s AND e.id <= least(%(last)s::bigint, w.position)
    AND starts_with(e.subject, w.source || '/') AND split_part(e.type, '.', 2) IN ('payment', 'receipt', 'sms', 'intake')

-- name: enable
UPDATE webhooks SET disabled_at = NULL, disabled_by = NULL, disabled_because = NULL, failures = 0, next_at = NULL
WHERE id = %(id)s

-- name: skip
DELETE FROM webhook_waiting WHERE webhook_id = %(id)s AND tries > 0

-- name: anew
UPDATE webhook_waiting SET tries = 0, failed_since = NULL, next_at = NULL WHERE webhook_id = %(id)s

-- name: disable
UPDATE webhooks SET disabled_at = clock(), disabled_by = %(by)s, disabled_because = %(reason)s WHERE id = %(id)s

-- name: remove
DELETE FROM webhooks WHERE id = %(id)s

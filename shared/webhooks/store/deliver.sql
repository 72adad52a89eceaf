-- name: due
-- A wait that ends later than any could is of a clock that has been set back since. Of a payment's events that were put
-- aside the first one's wait counts; at a receiver that seems ill any may be tried once the whole webhook is due.
SELECT w.id, w.source, w.position, a.n >= %(most)s AS is_full,
    w.replay_next IS NOT NULL AND a.n < %(most)s OR w.failures >= %(ill)s AND a.n > 0 OR a.due > 0 AS waits
FROM webhooks w CROSS JOIN LATERAL (
    SELECT coalesce(sum(n), 0) AS n, count(*) FILTER (WHERE next_at IS NULL OR next_at <= clock()
        OR next_at > clock() + make_interval(secs => 2 * %(cap_s)s)) AS due
    FROM (SELECT DISTINCT ON (subject) next_at, count(*) OVER (PARTITION BY subject) AS n
        FROM webhook_waiting WHERE webhook_id = w.id ORDER BY subject, event) AS heads) AS a
WHERE disabled_at IS NULL AND w.id <> ALL(%(but)s)
    AND (w.next_at IS NULL OR w.next_at <= clock() OR w.next_at > clock() + make_interval(secs => 2 * %(cap_s)s))
ORDER BY id

-- name: enabled
SELECT id FROM webhooks WHERE id = ANY(%(ids)s) AND disabled_at IS NULL

-- name: hook
SELECT id, source, url, position, replay_next, replay_last, failures FROM webhooks
WHERE id = %(id)s AND disabled_at IS NULL
    AND (next_at IS NULL OR next_at <= clock() OR next_at > clock() + make_interval(secs => 2 * %(cap_s)s))

-- name: secrets
SELECT secret FROM webhook_secrets WHERE webhook_id = %(id)s AND coalesce(until > clock(), true) ORDER BY until NULLS FIRST

-- name: waiting
SELECT event, subject, tries, extract(epoch FROM next_at)::float8 AS next_s,
    (next_at IS NULL OR next_at <= clock() OR next_at > clock() + make_interval(secs => 2 * %(cap_s)s)) AS due
FROM webhook_waiting WHERE webhook_id = %(id)s ORDER BY event

-- name: events
SELECT e.id, e.event_id, e.type, e.subject, e.data::text AS data, e.created_at,
    (SELECT p.traceparent FROM payments p WHERE p.id = e.payment_id) AS traceparent
FROM events e WHERE e.id = ANY(%(ids)s) ORDER BY e.id

-- name: locked
SELECT failures, disabled_at FROM webhooks WHERE id = %(id)s FOR UPDATE

-- name: forget
DELETE FROM webhook_waiting WHERE webhook_id = %(id)s AND event = ANY(%(events)s)

-- name: put_aside
-- One that waits already stays as it is.
INSERT INTO webhook_waiting (webhook_id, event, subject)
SELECT %(id)s, * FROM unnest(%(events)s::bigint[], %(subjects)s::text[])
ON CONFLICT DO NOTHING

-- name: failed
-- Who asks to be asked again later has failed since then, too, but that is no try: the waits do not grow.
UPDATE webhook_waiting a SET tries = a.tries + n.tries, failed_since = coalesce(a.failed_since, clock()),
    next_at = clock() + make_interval(secs => n.wait_s), failure = n.failure
FROM unnest(%(events)s::bigint[], %(tries)s::int[], %(waits_s)s::float8[], %(failures)s::text[])
    AS n(event, tries, wait_s, failure)
WHERE a.webhook_id = %(id)s AND a.event = n.event

-- name: over
SELECT min(failed_since) <= clock() - make_interval(secs => %(give_up_s)s) AS over FROM webhook_waiting
WHERE webhook_id = %(id)s

-- name: all_due
UPDATE webhook_waiting SET next_at = NULL WHERE webhook_id = %(id)s AND next_at IS NOT NULL

-- name: noted
-- What a person asked for meanwhile stands: a replay that begins earlier or ends later, and a webhook that was disabled.
UPDATE webhooks SET position = greatest(position, %(position)s::bigint),
    replay_next = CASE WHEN replay_next IS DISTINCT FROM %(replay_was)s::bigint THEN replay_next
        WHEN replay_last > %(replay_end)s::bigint THEN coalesce(%(replay_next)s::bigint, %(replay_end)s::bigint)
        ELSE %(replay_next)s::bigint END,
    replay_last = CASE WHEN replay_next IS DISTINCT FROM %(replay_was)s::bigint OR replay_last > %(replay_end)s::bigint
        OR %(replay_next)s::bigint IS NOT NULL THEN replay_last END,
    delivered = delivered + %(delivered)s,
    delivered_at = CASE WHEN %(delivered)s > 0 THEN clock() ELSE delivered_at END,
    failures = %(failures)s, failure = CASE WHEN %(tried)s THEN %(failure)s ELSE failure END,
    next_at = clock() + make_interval(secs => %(wait_s)s::float8)
WHERE id = %(id)s

-- name: give_up
UPDATE webhooks SET disabled_at = clock(), disabled_because = %(reason)s WHERE id = %(id)s AND disabled_at IS NULL

-- name: listed
SELECT w.id, w.source, w.url, utc_text(w.created_at) AS created_at, w.created_by, w.delivered,
    utc_text(w.delivered_at) AS delivered_at, w.failure, utc_text(w.next_at) AS next_at,
    utc_text(w.disabled_at) AS disabled_at, w.disabled_by, w.disabled_because, w.replay_next IS NOT NULL AS replaying,
    (SELECT count(*) FROM webhook_waiting a WHERE a.webhook_id = w.id) AS waiting,
    (SELECT utc_text(min(a.failed_since)) FROM webhook_waiting a WHERE a.webhook_id = w.id) AS failing_since,
    (SELECT utc_text(max(s.until)) FROM webhook_secrets s WHERE s.webhook_id = w.id AND s.until > clock()) AS old_secret_until
FROM webhooks w WHERE coalesce(w.id = %(id)s::bigint, true) ORDER BY w.source, w.id

-- name: waiting
SELECT e.event_id, e.type, a.subject, a.tries, utc_text(a.failed_since) AS failed_since, utc_text(a.next_at) AS next_at,
    a.failure
FROM webhook_waiting a JOIN events e ON e.id = a.event WHERE a.webhook_id = %(id)s ORDER BY a.event LIMIT %(limit)s

-- name: secrets
SELECT secret FROM webhook_secrets WHERE webhook_id = %(id)s AND coalesce(until > clock(), true) ORDER BY until NULLS FIRST

-- name: standing
-- Of those that are not disabled, how old the oldest event is that is not delivered: of those that wait, and of what
-- comes next. That is looked for among so many; further on nobody has looked yet either.
SELECT w.id, w.source, w.delivered, w.disabled_at IS NOT NULL AND w.disabled_by IS NULL AS gave_up, w.disabled_because,
    w.disabled_at IS NULL AS runs,
    coalesce(extract(epoch FROM clock() - (SELECT min(a.failed_since) FROM webhook_waiting a WHERE a.webhook_id = w.id)),
        0)::float8 AS failing_s,
    coalesce(extract(epoch FROM clock() - least(
        (SELECT min(e.created_at) FROM webhook_waiting a JOIN events e ON e.id = a.event WHERE a.webhook_id = w.id),
        (SELECT min(n.created_at) FROM (SELECT subject, type, created_at FROM events WHERE id > w.position
            ORDER BY id LIMIT 5000) AS n WHERE starts_with(n.subject, w.source || '/')
            AND split_part(n.type, '.', 2) IN ('payment', 'receipt', 'sms', 'intake')))), 0)::float8 AS oldest_s
FROM webhooks w ORDER BY w.id

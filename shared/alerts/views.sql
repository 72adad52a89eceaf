-- name: listed
SELECT name, subject, utc_text(raised_at) AS raised_at, utc_text(seen_at) AS seen_at,
    utc_text(cleared_at) AS cleared_at, figures,
    coalesce((SELECT jsonb_object_agg(t.way, jsonb_build_object('told_at', utc_text(t.told_at),
        'cleared_told_at', utc_text(t.cleared_told_at), 'failure', t.failure))
        FROM alerts_told t WHERE t.alert_id = a.id), '{}') AS told
FROM alerts a WHERE (%(everything)s OR cleared_at IS NULL) ORDER BY a.raised_at, id

-- name: stands
SELECT FROM alerts WHERE cleared_at IS NULL AND name = %(name)s LIMIT 1

-- name: cleared
SELECT name, subject, utc_text(raised_at) AS raised_at, utc_text(cleared_at) AS cleared_at, figures
FROM alerts WHERE cleared_at IS NOT NULL ORDER BY id DESC LIMIT %(limit)s

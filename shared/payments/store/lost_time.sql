-- name: window
-- Several may be open: what counts is the earliest beginning, and the latest moment at which something may be on the wire.
SELECT min(since) AS since, max(sent_until) AS sent_until, min(opened_at) AS opened_at
FROM lost_times WHERE closed_at IS NULL AND closes_at > clock() HAVING count(*) > 0

-- name: doubt
-- Attempt 0: what may have been sent in the lost time. Its bytes are those of the payment where these were frozen
-- before, those that the stream told of where it did, and else nobody's. What an earlier lost time left unknown stays so.
WITH doubtful AS (
    SELECT p.id, least(%(since)s, p.paid_at) AS started_at, json_build_object(
            'since', %(since)s::timestamptz,
            'opened_at', %(opened_at)s::timestamptz,
            'frozen', %(frozen)s AND p.body IS NOT NULL,
            'drawn', CASE WHEN %(frozen)s THEN p.created_at < s.derived_since ELSE %(since)s < s.derived_since END
        ) AS facts,
        CASE WHEN %(frozen)s THEN p.body_sha256 ELSE decode(l.told ->> 'request_sha256', 'hex') END AS body_sha256
    FROM store s CROSS JOIN payments p LEFT JOIN lost_payments l ON (l.source, l.intent_id) = (p.source, p.intent_id)
    WHERE (p.id = ANY(%(ids)s) OR %(ids)s IS NULL) AND p.state NOT IN ('succeeded', 'refused', 'cancelled')
), attempt AS (
    INSERT INTO attempts AS a (payment_id, number, started_at, lease_until, worker_key, body_sha256, kind, detail, facts)
    SELECT id, 0, started_at, %(sent_until)s, 0, body_sha256, 'lost_time',
        'it may have been sent in the time that the database lost', facts
    FROM doubtful
    ON CONFLICT (payment_id, number) DO UPDATE SET started_at = least(a.started_at, excluded.started_at),
        lease_until = greatest(a.lease_until, excluded.lease_until), facts = excluded.facts || jsonb_build_object(
            'since', least((a.facts ->> 'since')::timestamptz, (excluded.facts ->> 'since')::timestamptz),
            'frozen', (a.facts ->> 'frozen')::boolean AND (excluded.facts ->> 'frozen')::boolean,
            'drawn', (a.facts ->> 'drawn')::boolean OR (excluded.facts ->> 'drawn')::boolean)
)
UPDATE payments p SET possibly_sent = true, in_doubt = true FROM doubtful d WHERE p.id = d.id

-- name: open
INSERT INTO lost_times (epoch, since, sent_until, closes_at, by_whom, reason, unbroken)
SELECT epoch, %(since)s, clock() + make_interval(secs => %(sending_s)s), clock() + make_interval(secs => %(window_s)s),
    %(by)s, %(reason)s, %(unbroken)s
FROM store RETURNING since, sent_until, opened_at

-- name: opened
SELECT count(*) AS n FROM payments p WHERE p.state NOT IN ('succeeded', 'refused', 'cancelled') AND p.possibly_sent
    AND EXISTS (SELECT FROM attempts a WHERE a.payment_id = p.id AND a.number = 0)

-- name: open_ones
SELECT id FROM lost_times WHERE closed_at IS NULL AND closes_at > clock() ORDER BY id FOR UPDATE

-- name: close
UPDATE lost_times SET closed_at = clock(), closed_by = %(by)s WHERE id = ANY(%(ids)s)

-- name: settle_may_lack_refunds
-- Refunds of a settle that was there before the window ended may be among what was lost.
SELECT EXISTS (SELECT FROM lost_times l JOIN payments p ON p.id = %(settle_id)s
    WHERE NOT l.unbroken AND p.created_at < coalesce(l.closed_at, l.closes_at)) AS lacks,
    max(since) AS since, max(sent_until) AS sent_until, max(opened_at) AS opened_at
FROM lost_times

-- name: touched
SELECT EXISTS (SELECT FROM payments p JOIN attempts a ON a.payment_id = p.id AND a.number = 0
    WHERE p.exclusive_key = %(key)s)
    OR EXISTS (SELECT FROM archive.payments p JOIN archive.attempts a ON a.payment_id = p.id AND a.number = 0
    WHERE p.exclusive_key = %(key)s) AS touched

-- name: stands
-- NULL: the list was not read since. Else: no row under this key came or went since the lost time began.
SELECT CASE WHEN coalesce(l.fetched_at, '-infinity') <= %(opened_at)s THEN NULL ELSE NOT EXISTS (
        SELECT FROM directory_rows r WHERE r.provider = %(provider)s AND r.kind = %(kind)s AND r.key = %(key)s
        AND (r.opened_at > %(since)s OR r.closed_at > %(since)s)) END AS stands
FROM directory_lists l WHERE l.provider = %(provider)s AND l.kind = %(kind)s

-- name: untold
-- What only the stream told of, as its intent comes again: the first one that agrees is taken for it.
SELECT p.provider, p.operation, p.amount_minor, p.currency, p.paid_at, p.refund_of,
    p.sent_reference, l.told ->> 'request_sha256' AS request_sha256
FROM payments p LEFT JOIN lost_payments l ON (l.source, l.intent_id) = (p.source, p.intent_id)
WHERE p.id = %(id)s FOR UPDATE OF p

-- name: complete
UPDATE payments p SET target = coalesce((SELECT target FROM payments s WHERE s.id = p.settle_id), p.target),
    path = %(path)s, body = %(body)s, body_sha256 = sha256(%(body)s),
    exclusive_key = coalesce(p.exclusive_key, %(exclusive_key)s), books_key = coalesce(p.books_key, %(books_key)s)
WHERE p.id = %(id)s AND p.body IS NULL

-- name: adopt
-- Its refunds of which only the stream told stand on its invoice, too.
WITH known AS (
    UPDATE intent_keys SET digest = %(digest)s
    WHERE source = %(source)s AND intent_id = %(intent_id)s AND digest IS NULL RETURNING payment_id
), refunds AS (
    UPDATE payments r SET exclusive_key = %(exclusive_key)s FROM known
    WHERE r.settle_id = known.payment_id AND r.exclusive_key IS NULL AND r.stream_event IS NOT NULL
)
UPDATE payments p SET target = %(target)s::jsonb, receipt = %(receipt)s::jsonb, notify = %(notify)s::jsonb,
    metadata = %(metadata)s::jsonb, path = %(path)s, body = %(body)s, body_sha256 = sha256(%(body)s),
    exclusive_key = coalesce(p.exclusive_key, %(exclusive_key)s), books_key = coalesce(p.books_key, %(books_key)s)
FROM known WHERE p.id = known.payment_id

-- name: came
UPDATE lost_payments l SET came_at = clock()
FROM unnest(%(source)s::text[], %(intent_id)s::text[]) AS t(source, intent_id)
WHERE (l.source, l.intent_id) = (t.source, t.intent_id) AND l.came_at IS NULL

-- name: follow
UPDATE payments p SET event_seq = p.event_seq + follow(p, p.event_seq, true)
WHERE id = %(id)s AND state = 'succeeded' AND operation = 'settle'

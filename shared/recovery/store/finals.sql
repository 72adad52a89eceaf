-- name: find
SELECT k.payment_id, p.state, p.sent_reference FROM intent_keys k
    LEFT JOIN (SELECT id, state, sent_reference FROM payments
        UNION ALL SELECT id, state, sent_reference FROM archive.payments) p ON p.id = k.payment_id
WHERE k.source = %(source)s AND k.intent_id = %(intent_id)s

-- name: end
-- A refund that was sent meanwhile is one of its settle, on its settle's invoice.
UPDATE payments p SET state = %(state)s, stream_event = %(event_id)s, finished_at = %(finished_at)s, detail = %(detail)s,
    code = %(code)s,
    provider_reference = coalesce(%(provider_reference)s, p.provider_reference), in_doubt = false, resend_asked = false,
    event_seq = greatest(p.event_seq, %(event_seq)s), attempts = greatest(p.attempts, %(attempts)s),
    possibly_sent = p.possibly_sent OR %(attempts)s > 0, settle_id = coalesce(p.settle_id, s.id),
    exclusive_key = coalesce(p.exclusive_key, s.exclusive_key)
FROM (SELECT 1) AS one LEFT JOIN payments s ON s.id = %(settle_id)s AND %(attempts)s > 0
WHERE p.id = %(id)s AND p.state NOT IN ('succeeded', 'refused', 'cancelled') RETURNING p.id

-- name: insert
-- What a final payment is to accountants, and to whoever asks for it again; what was sent is known when its intent comes
-- again.
WITH named AS (
    SELECT CASE WHEN EXISTS (SELECT FROM payments WHERE id = %(id)s) OR EXISTS (
        SELECT FROM archive.payments WHERE id = %(id)s) THEN nextval('payment_ids') ELSE %(id)s END AS id
), key AS (
    INSERT INTO intent_keys (source, intent_id, digest, payment_id)
    SELECT %(source)s, %(intent_id)s, NULL, id FROM named ON CONFLICT DO NOTHING RETURNING payment_id
)
INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at, target,
    refund_of, settle_id, exclusive_key, state, detail, code, attempts, possibly_sent, sent_reference, provider_reference,
    created_at, finished_at, event_seq, stream_event)
SELECT key.payment_id, %(source)s, %(intent_id)s, %(provider)s, %(operation)s, %(amount_minor)s, %(currency)s,
    %(places)s, %(paid_at)s, '{}', %(refund_of)s, s.id, s.exclusive_key, %(state)s, %(detail)s, %(code)s, %(attempts)s,
    %(attempts)s > 0, %(sent_reference)s, %(provider_reference)s, %(created_at)s, %(finished_at)s, %(event_seq)s,
    %(event_id)s
FROM key LEFT JOIN payments s ON s.id = %(settle_id)s
RETURNING id

-- name: event
INSERT INTO events (payment_id, event_id, type, subject, data, created_at)
SELECT %(id)s, t.event_id, t.type, t.subject, t.data::json, t.at
FROM unnest(%(event_id)s::text[], %(type)s::text[], %(subject)s::text[], %(data)s::text[], %(at)s::timestamptz[])
    WITH ORDINALITY AS t(event_id, type, subject, data, at, place) ORDER BY t.place
RETURNING id

-- name: told
DELETE FROM outbox WHERE id = ANY(%(ids)s)

-- name: numbered
UPDATE payments SET event_seq = greatest(event_seq, %(event_seq)s) WHERE id = %(id)s

-- name: follow_up
INSERT INTO follow_ups AS f (payment_id, kind, provider, state, due_at, detail, answer, finished_at, delivery)
VALUES (%(id)s, %(kind)s, CASE %(kind)s WHEN 'sms' THEN 'ubill' ELSE %(provider)s END, %(state)s, NULL, %(detail)s, %(answer)s::jsonb, %(at)s, %(delivery)s)
ON CONFLICT (payment_id, kind) DO UPDATE SET state = excluded.state, due_at = NULL, detail = excluded.detail,
    answer = coalesce(excluded.answer, f.answer), finished_at = excluded.finished_at,
    delivery = coalesce(excluded.delivery, f.delivery)

-- name: keep
INSERT INTO lost_payments AS l (source, intent_id, epoch, told)
VALUES (%(source)s, %(intent_id)s, %(epoch)s, %(told)s::json)
ON CONFLICT (source, intent_id) DO UPDATE SET epoch = excluded.epoch, told = excluded.told, came_at = NULL

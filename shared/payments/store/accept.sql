-- name: insert
WITH incoming AS (
    SELECT nextval('payment_ids') AS id, t.* FROM unnest(
        %(source)b::text[], %(intent_id)b::text[], %(digest)b::bytea[], %(provider)b::text[], %(operation)b::text[],
        %(amount_minor)s::bigint[], %(currency)b::text[], %(places)s::smallint[], %(paid_at)s::timestamptz[],
        %(target)b::text[], %(refund_of)b::text[], %(receipt)b::text[], %(notify)b::text[], %(metadata)b::text[],
        %(hold_reason)b::text[], %(detail)b::text[], %(resend_safe)s::boolean[], %(reads_first)s::boolean[],
        %(sent_reference)b::text[], %(path)b::text[], %(body)b::bytea[], %(exclusive_key)b::text[],
        %(books_key)b::text[], %(traceparent)b::text[])
    AS t(source, intent_id, digest, provider, operation, amount_minor, currency, places, paid_at, target, refund_of,
         receipt, notify, metadata, hold_reason, detail, resend_safe, reads_first, sent_reference, path, body,
         exclusive_key, books_key, traceparent)
), keys AS (
    -- in one order, so that two intakes with the same keys wait for each other and don't deadlock
    INSERT INTO intent_keys (source, intent_id, digest, payment_id)
    SELECT source, intent_id, digest, id FROM incoming WHERE public.pinned() ORDER BY source, intent_id
    ON CONFLICT DO NOTHING RETURNING payment_id
)
INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at, target,
    refund_of, receipt, notify, metadata, hold_reason, detail, due_at, resend_safe, reads_first, sent_reference,
    path, body, body_sha256, exclusive_key, books_key, traceparent)
SELECT id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at, target::jsonb,
    refund_of, receipt::jsonb, notify::jsonb, metadata::jsonb, hold_reason, detail,
    CASE WHEN hold_reason IS NULL THEN clock() END, resend_safe, reads_first, sent_reference, path, body,
    sha256(body), exclusive_key, books_key, traceparent
FROM incoming JOIN keys ON payment_id = id ORDER BY id
RETURNING id, source, intent_id

-- name: known
SELECT k.source, k.intent_id, k.payment_id, k.digest
FROM unnest(%(source)s::text[], %(intent_id)s::text[]) AS t(source, intent_id)
    JOIN intent_keys k USING (source, intent_id)

-- name: refuse
UPDATE payments p SET state = 'refused', detail = t.detail, code = t.code, hold_reason = NULL
FROM unnest(%(id)s::bigint[], %(detail)s::text[], %(code)s::text[]) AS t(id, detail, code) WHERE p.id = t.id AND p.state = 'accepted'

-- name: reemit
-- In order of id, so that two with the same repeats wait for each other and don't deadlock.
WITH last AS (
    SELECT (SELECT max(id) FROM events WHERE payment_id = t.id AND type LIKE 'settlepipe.payment.%%') AS id
    FROM unnest(%(ids)s::bigint[]) AS t(id)
), locked AS (
    SELECT e.id, e.payment_id FROM events e WHERE e.id IN (SELECT id FROM last) ORDER BY e.id FOR NO KEY UPDATE
), told AS (
    INSERT INTO outbox AS o (id) SELECT id FROM locked ON CONFLICT (id) DO UPDATE SET asked = o.asked + 1
)
SELECT payment_id FROM locked

-- name: end
-- The end of an attempt alone, for those whose payment is final.
UPDATE attempts SET ended_at = clock(), meaning = %(meaning)s, kind = %(kind)s, http_status = %(http_status)s,
    detail = %(detail)s, refusal = %(refusal)s, facts = %(facts)s::jsonb
WHERE payment_id = %(id)s AND number = %(attempt)s AND token IS NOT DISTINCT FROM %(token)s

-- name: named
-- Why it could not be claimed, as far as its message is concerned: it is another's, or its lane stands still.
SELECT p.sent_reference <> %(reference)s AS another, p.provider, NOT l.running AS stands
FROM payments p JOIN lanes l USING (provider) WHERE p.id = %(id)s

-- name: save_baseline
WITH renewed AS (
    UPDATE payments SET baseline = %(baseline)s::jsonb, due_at = clock() + make_interval(secs => %(lease_s)s)
    WHERE id = %(id)s AND state = 'sending' AND attempts = %(attempt)s AND due_at > clock()
    RETURNING id, attempts, due_at
)
UPDATE attempts a SET lease_until = due_at FROM renewed
WHERE a.payment_id = renewed.id AND a.number = renewed.attempts RETURNING payment_id

-- name: end
-- The end of an attempt alone, for those whose payment is final.
UPDATE attempts SET ended_at = clock(), meaning = %(meaning)s, kind = %(kind)s, http_status = %(http_status)s,
    detail = %(detail)s, refusal = %(refusal)s, facts = %(facts)s::jsonb
WHERE payment_id = %(id)s AND number = %(attempt)s AND token IS NOT DISTINCT FROM %(token)s

-- name: reference
SELECT sent_reference FROM payments WHERE id = %(id)s

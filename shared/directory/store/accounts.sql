-- name: find
SELECT id, khut_type, bank_code, closed_at, to_confirm, confirmed_by, utc_text(confirmed_at) AS confirmed_at
FROM bank_accounts WHERE provider = %(provider)s AND service = %(service)s AND account = %(account)s
    AND (%(bank_code)s::text IS NULL OR bank_code = %(bank_code)s)
    AND (%(khut_type)s::text IS NULL OR khut_type = %(khut_type)s)
ORDER BY id FOR UPDATE

-- name: branch
SELECT array_agg(id ORDER BY id) AS open, min(id) FILTER (WHERE chosen_at IS NOT NULL) AS chosen
FROM bank_accounts WHERE provider = %(provider)s AND service = %(service)s AND khut_type = %(khut_type)s
    AND closed_at IS NULL

-- name: confirm
WITH confirmed AS (
    UPDATE bank_accounts SET confirmed_at = clock(), confirmed_by = %(by)s
    WHERE id = %(id)s AND to_confirm AND closed_at IS NULL RETURNING provider
)
UPDATE directory_lists l SET version = l.version + 1 FROM confirmed
WHERE l.provider = confirmed.provider AND l.kind = %(kind)s

-- name: unchoose
UPDATE bank_accounts o SET chosen_at = NULL, chosen_by = NULL FROM bank_accounts a
WHERE a.id = %(id)s AND o.id <> a.id AND o.chosen_at IS NOT NULL AND o.closed_at IS NULL
    AND (o.provider, o.service, o.khut_type) = (a.provider, a.service, a.khut_type)

-- name: choose
WITH chosen AS (
    UPDATE bank_accounts SET chosen_at = clock(), chosen_by = %(by)s WHERE id = %(id)s AND closed_at IS NULL
    RETURNING provider
)
UPDATE directory_lists l SET version = l.version + 1 FROM chosen WHERE l.provider = chosen.provider AND l.kind = %(kind)s

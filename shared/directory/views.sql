-- name: shown
SELECT provider, service, nullif(khut_type, '') AS khut_type, account, nullif(bank_code, '') AS bank_code,
    nullif(bank_name, '') AS bank_name, utc_text(since) AS since, utc_text(closed_at) AS closed_at, change,
    CASE WHEN closed_at IS NOT NULL THEN 'closed' WHEN to_confirm THEN 'to be confirmed' ELSE 'confirmed' END AS state,
    utc_text(confirmed_at) AS confirmed_at, confirmed_by, utc_text(chosen_at) AS chosen_at, chosen_by
FROM bank_accounts
WHERE (%(provider)s::text IS NULL OR provider = %(provider)s) AND (%(closed)s OR closed_at IS NULL)
ORDER BY provider, length(service), service, khut_type, bank_accounts.since, id

-- name: to_decide
SELECT provider, service, khut_type, account, bank_code, nullif(bank_name, '') AS bank_name, utc_text(since) AS since,
    change, to_confirm, utc_text(confirmed_at) AS confirmed_at, confirmed_by, utc_text(chosen_at) AS chosen_at, chosen_by
FROM bank_accounts
WHERE closed_at IS NULL AND CASE WHEN %(service)s::text IS NULL THEN to_confirm ELSE service = %(service)s END
ORDER BY provider, length(service), service, khut_type, bank_accounts.since, id LIMIT %(limit)s OFFSET %(skip)s

-- name: rows
-- An account that nobody kept is not confirmed either: a process of an older version may have replaced the list.
SELECT r.kind, r.key, CASE WHEN r.kind = %(accounts)s AND NOT EXISTS (
        SELECT FROM bank_accounts a WHERE (a.provider, a.service) = (r.provider, r.key) AND a.closed_at IS NULL
            AND NOT a.to_confirm AND a.account = r.data ->> 'account'
            AND a.khut_type = coalesce(r.data ->> 'khut_type', '')
            AND a.bank_code = coalesce(r.data ->> 'bank_code', ''))
    THEN r.data || '{"confirmed": false}' ELSE r.data END
    || CASE WHEN r.kind = %(accounts)s AND EXISTS (
        SELECT FROM bank_accounts a WHERE (a.provider, a.service) = (r.provider, r.key) AND a.closed_at IS NULL
            AND a.chosen_at IS NOT NULL AND a.account = r.data ->> 'account'
            AND a.khut_type = coalesce(r.data ->> 'khut_type', '')
            AND a.bank_code = coalesce(r.data ->> 'bank_code', ''))
    THEN '{"chosen": true}'::jsonb ELSE '{}'::jsonb END AS data
FROM directory_rows r WHERE r.provider = %(provider)s AND r.closed_at IS NULL ORDER BY r.item_id

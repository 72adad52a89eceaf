-- name: shown
SELECT provider, service, nullif(khut_type, '') AS khut_type, account, nullif(bank_code, '') AS bank_code,
    nullif(bank_name, '') AS bank_name, utc_text(since) AS since, utc_text(closed_at) AS closed_at, change,
    CASE WHEN closed_at IS NOT NULL THEN 'closed' WHEN to_confirm THEN 'to be confirmed' ELSE 'confirmed' END AS state,
    utc_text(confirmed_at) AS confirmed_at, confirmed_by
FROM bank_accounts
WHERE (%(provider)s::text IS NULL OR provider = %(provider)s) AND (%(closed)s OR closed_at IS NULL)
ORDER BY provider, length(service), service, khut_type, bank_accounts.since, id

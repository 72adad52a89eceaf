-- name: left
SELECT number, account FROM accounts_to_read t WHERE run_id = %(run)s AND number > %(after)s
    AND NOT EXISTS (SELECT FROM provider_accounts a WHERE a.run_id = t.run_id AND a.account = t.account)
ORDER BY number LIMIT %(limit)s

-- name: count
SELECT count(*) AS wanted, count(*) FILTER (WHERE a.account IS NULL) AS left_out,
    mode() WITHIN GROUP (ORDER BY unread) FILTER (WHERE a.account IS NULL) AS why
FROM accounts_to_read t LEFT JOIN provider_accounts a USING (run_id, account) WHERE run_id = %s

-- name: findings
SELECT identity, category, currency, local_minor, provider_minor, payment_id, account, evidence FROM findings
WHERE run_id = %s ORDER BY category, account, payment_id, identity COLLATE "C"

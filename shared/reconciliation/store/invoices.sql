-- name: needed
SELECT EXISTS (SELECT FROM scope WHERE NOT by_line)
    OR EXISTS (SELECT FROM provider_lines WHERE run_id = %(run)s AND kind = 'total') AS needed

-- name: judge
INSERT INTO reconciled_payments (run_id, payment_id, account, category, state, finished_at, currency, local_minor,
    provider_minor)
SELECT %(run)s, s.id, s.account,
    CASE WHEN s.state IN ('refused', 'cancelled') THEN 'matched'
        WHEN s.state <> 'succeeded' THEN 'still_unknown'
        WHEN i.chosen = s.id AND s.operation = 'refund' THEN 'refund_missing'
        WHEN i.chosen = s.id THEN 'missing_at_provider'
        WHEN i.difference_minor = 0 AND i.status = 'PENDING' AND i.amount_paid_minor > 0 THEN 'status_mismatch'
        ELSE 'matched' END,
    s.state, s.finished_at, s.currency, CASE s.state WHEN 'succeeded' THEN s.signed_minor ELSE 0 END,
    CASE WHEN s.state <> 'succeeded' OR i.chosen = s.id THEN 0 ELSE s.signed_minor END
FROM scope s JOIN invoices i ON i.account = s.account AND i.currency = s.currency
WHERE NOT s.by_line ORDER BY s.id

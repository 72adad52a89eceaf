-- name: kept
SELECT hours, carried, carried_at, NOT forgotten AS payments
FROM reconciliations WHERE id = %s

-- name: currencies
SELECT currency FROM findings WHERE run_id = %(run)s
UNION SELECT currency FROM told_discrepancies WHERE run_id = %(run)s AND currency IS NOT NULL
ORDER BY 1

-- name: some
SELECT count(*) AS n FROM (SELECT FROM reconciled_payments WHERE run_id = %(run)s LIMIT %(most)s) s

-- name: fresh
SELECT count(*) AS count FROM findings f JOIN discrepancies d USING (identity)
WHERE f.run_id = %(run)s AND d.run_id = %(run)s AND d.resolved_at IS NULL

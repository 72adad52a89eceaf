-- name: known
SELECT r.day, r.started_at >= r.period_to AS over, r.carried_at IS NOT NULL AND r.divided AS compared
FROM reconciliations r WHERE r.provider = %(provider)s AND r.day = %(day)s FOR UPDATE

-- name: settled
-- What the evidence of this run settled is on the list, and closed.
WITH said AS MATERIALIZED (
    SELECT identity, payment_id FROM findings WHERE run_id = %(run)s AND evidence ->> 'says' = 'applied'
)
SELECT s.identity FROM said s CROSS JOIN LATERAL (
    SELECT FROM checks c
    WHERE c.payment_id = s.payment_id AND c.evidence -> 'reconciliation' = to_jsonb(%(run)s::bigint) LIMIT 1) c

-- name: keep_late
-- What the books closed is open again: they can't have shown this. What a person closed stays so.
INSERT INTO discrepancies AS d (category, provider, payment_id, identity, evidence)
VALUES (%(category)s, %(provider)s, %(id)s, %(identity)s, %(evidence)s::jsonb)
ON CONFLICT (identity) DO UPDATE SET last_seen = clock(),
    resolved_at = CASE WHEN d.resolved_by <> 'books' THEN d.resolved_at END,
    resolved_by = nullif(d.resolved_by, 'books'),
    resolved_reason = CASE WHEN d.resolved_by <> 'books' THEN d.resolved_reason END
RETURNING d.first_seen = d.last_seen AS fresh

-- name: settled
-- What the evidence of this run settled is on the list, and closed.
WITH said AS MATERIALIZED (
    SELECT identity, payment_id FROM findings WHERE run_id = %(run)s AND evidence ->> 'says' = 'applied'
)
SELECT s.identity FROM said s CROSS JOIN LATERAL (
    SELECT FROM checks c
    WHERE c.payment_id = s.payment_id AND c.evidence -> 'reconciliation' = to_jsonb(%(run)s::bigint) LIMIT 1) c

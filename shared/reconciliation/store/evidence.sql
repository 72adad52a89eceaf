-- name: shown
SELECT payment_id FROM findings WHERE run_id = %(run)s AND evidence ->> 'says' = 'applied' ORDER BY payment_id

-- name: applied
-- The check's number fences a check that is under way: its verdict moves nothing any more.
WITH moved AS (
    UPDATE payments SET state = 'succeeded', checks = checks + 1, in_doubt = false, due_at = NULL, hold_reason = NULL,
        resend_asked = false, detail = %(detail)s, code = NULL
    WHERE id = ANY(%(ids)s) AND state NOT IN ('succeeded', 'refused', 'cancelled') RETURNING id, checks
)
INSERT INTO checks (payment_id, number, verdict, detail, evidence)
SELECT m.id, m.checks, 'applied', %(detail)s,
    jsonb_build_object('reconciliation', %(run)s::bigint, 'day', %(day)s::text, 'line', f.evidence -> 'line')
FROM moved m JOIN findings f ON f.run_id = %(run)s AND f.identity = 'status_mismatch:' || m.id

-- name: used
SELECT count(*) AS used FROM findings f
WHERE f.run_id = %(run)s AND f.evidence ->> 'says' = 'applied' AND EXISTS (
    SELECT FROM checks c
    WHERE c.payment_id = f.payment_id AND c.evidence -> 'reconciliation' = to_jsonb(%(run)s::bigint))

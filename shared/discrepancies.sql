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

-- name: carried
UPDATE reconciliations SET carried_at = clock() WHERE id = %(run)s AND carried_at IS NULL

-- name: forget_told
DELETE FROM told_discrepancies WHERE run_id = %(run)s

-- name: changes
-- What the run changed about the sums of earlier days.
UPDATE reconciliations r SET carried = coalesce((
    SELECT jsonb_agg(to_jsonb(k) ORDER BY k.currency) FROM (
        SELECT c.currency, count(*) AS count,
            sum(CASE WHEN c.of_day = r.day THEN 0 ELSE c.local_minor END - c.before_local) AS local_minor,
            sum(CASE WHEN c.of_day = r.day THEN 0 ELSE c.provider_minor END - c.before_provider) AS provider_minor
        FROM carried_entries c WHERE c.run_id = r.id AND (c.before_local, c.before_provider) <>
            (CASE WHEN c.of_day = r.day THEN 0 ELSE c.local_minor END,
             CASE WHEN c.of_day = r.day THEN 0 ELSE c.provider_minor END)
        GROUP BY c.currency) k), '[]')
WHERE id = %(run)s

-- name: fresh
SELECT count(*) AS fresh FROM told_discrepancies WHERE run_id = %(run)s AND fresh

-- name: unalerted
SELECT count(*) AS unalerted FROM discrepancies WHERE run_id = %(run)s AND resolved_at IS NULL AND NOT alerted

-- name: alerted
UPDATE discrepancies SET alerted = true WHERE run_id = %(run)s AND NOT alerted

-- name: figures
SELECT local_minor, provider_minor FROM discrepancies WHERE id = %(number)s FOR UPDATE

-- name: close
WITH done AS (
    UPDATE discrepancies SET resolved_at = clock(), resolved_by = %(by)s, resolved_reason = %(reason)s,
        closing_code = %(code)s
    WHERE id = %(number)s AND resolved_at IS NULL RETURNING id
)
INSERT INTO discrepancy_notes (number, by_whom, deed, text, code) SELECT id, %(by)s, 'closed', %(reason)s, %(code)s FROM done

-- name: reopen
-- What continues as another one is not opened again: that one is it now.
WITH done AS (
    UPDATE discrepancies SET resolved_at = NULL, resolved_by = NULL, resolved_reason = NULL, closing_code = NULL
    WHERE id = %(number)s AND resolved_at IS NOT NULL AND continues_as IS NULL RETURNING id
)
INSERT INTO discrepancy_notes (number, by_whom, deed, text) SELECT id, %(by)s, 'reopened', %(reason)s FROM done

-- name: assign
WITH done AS (
    UPDATE discrepancies SET owner = %(owner)s, due = %(due)s WHERE id = %(number)s AND resolved_at IS NULL RETURNING id
)
INSERT INTO discrepancy_notes (number, by_whom, deed, text, owner, due)
SELECT id, %(by)s, 'assigned', %(reason)s::text, %(owner)s, %(due)s::date FROM done

-- name: comment
INSERT INTO discrepancy_notes (number, by_whom, deed, text)
SELECT id, %(by)s, 'comment', %(text)s FROM discrepancies WHERE id = %(number)s

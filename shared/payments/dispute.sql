-- name: find
SELECT p.state, p.provider, p.resend_safe,
    (SELECT count(*) FROM attempts a WHERE a.payment_id = p.id
     AND (a.meaning = 'succeeded' OR a.number = %(succeeded)s)) AS successes
FROM payments p WHERE p.id = %(id)s FOR UPDATE

-- name: keep
-- What the books closed is open again: they can't have shown this. What a person closed stays so.
INSERT INTO discrepancies AS d (category, provider, payment_id, identity, evidence)
VALUES (%(category)s, %(provider)s, %(id)s, %(identity)s, %(evidence)s::jsonb)
ON CONFLICT (identity) DO UPDATE SET last_seen = clock(),
    resolved_at = CASE WHEN d.resolved_by <> 'books' THEN d.resolved_at END,
    resolved_by = nullif(d.resolved_by, 'books'),
    resolved_reason = CASE WHEN d.resolved_by <> 'books' THEN d.resolved_reason END
RETURNING d.first_seen = d.last_seen AS fresh

-- name: release
-- A refund goes out one settle window after its settle's last doubtful attempt at the earliest.
UPDATE payments p SET path = %(path)s, body = %(body)s, body_sha256 = sha256(%(body)s),
    exclusive_key = %(exclusive_key)s, books_key = %(books_key)s,
    settle_id = coalesce(%(settle_id)s::bigint, p.settle_id), target = coalesce(s.target, p.target),
    hold_reason = NULL, detail = NULL,
    due_at = greatest(clock(), (
        SELECT max(coalesce(a.ended_at, a.lease_until)) + make_interval(secs => %(window_s)s) FROM attempts a
        WHERE a.payment_id = %(settle_id)s::bigint
            AND (a.meaning IN ('resend', 'check', 'halt') OR a.ended_at IS NULL)))
FROM (SELECT 1) AS one LEFT JOIN payments s ON s.id = %(settle_id)s::bigint
WHERE p.id = %(id)s AND p.state = 'accepted' AND p.hold_reason IS NOT NULL AND public.pinned()

-- name: free_invoices
WITH free AS (
    SELECT DISTINCT ON (h.exclusive_key) h.id FROM payments h WHERE h.hold_reason = 'invoice_busy'
    AND NOT EXISTS (SELECT FROM payments b WHERE b.exclusive_key = h.exclusive_key
                    AND b.state IN ('dispatched', 'sending', 'waiting', 'unknown', 'parked'))
    ORDER BY h.exclusive_key, h.id LIMIT %(limit)s
)
UPDATE payments p SET hold_reason = NULL, detail = NULL, due_at = clock() FROM free
WHERE p.id = free.id AND p.hold_reason = 'invoice_busy' RETURNING p.id

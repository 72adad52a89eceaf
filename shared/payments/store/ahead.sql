-- name: payments
-- Nothing that a settle-or-not decision rests on changes here: an attempt keeps its end and its lease, from which the
-- settle window is counted, and a deadline stays. A payment whose attempt seems to end in weeks becomes a person's.
WITH ahead AS (
    SELECT id FROM payments WHERE provider = %(provider)s AND due_at > clock() + make_interval(secs => %(most_s)s)
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE payments p SET due_at = clock() + make_interval(
    secs => CASE WHEN p.state = 'sending' THEN %(lease_s)s
                 WHEN p.state = 'accepted' AND p.operation = 'refund' THEN %(window_s)s ELSE 0 END)
FROM ahead WHERE p.id = ahead.id RETURNING p.id

-- name: follow_ups
UPDATE follow_ups SET due_at = clock() + make_interval(secs => CASE WHEN state = 'sending' THEN %(lease_s)s ELSE 0 END)
WHERE provider = %(provider)s AND due_at > clock() + make_interval(secs => %(most_s)s) RETURNING id

-- name: lane
UPDATE lanes SET open_until = least(open_until, clock() + make_interval(secs => %(open_s)s)),
    probe_at = least(probe_at, clock() + make_interval(secs => %(probe_s)s)),
    stopped_at = least(stopped_at, clock()), rate_at = least(rate_at, clock())
WHERE provider = %(provider)s
    AND (open_until > clock() + make_interval(secs => %(open_s)s + %(slack_s)s)
         OR probe_at > clock() + make_interval(secs => %(probe_s)s + %(slack_s)s)
         OR stopped_at > clock() + make_interval(secs => %(slack_s)s)
         OR rate_at > clock() + make_interval(secs => %(slack_s)s))
RETURNING provider

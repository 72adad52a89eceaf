-- name: begin
UPDATE follow_ups SET path = %(path)s, body = %(body)s, body_sha256 = sha256(%(body)s), unasked = false
WHERE id = %(id)s AND state = 'sending' AND attempts = %(attempt)s AND due_at > clock()
    AND (SELECT epoch || '/' || (SELECT count(*) FROM lost_times) FROM store) = %(lost_times)s
RETURNING id

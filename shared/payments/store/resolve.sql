-- name: lock
SELECT p.id, p.state, p.possibly_sent, p.checks, p.attempts,
    (SELECT coalesce(json_object_agg(f.kind, f.state), '{}') FROM follow_ups f WHERE f.payment_id = p.id) AS follow_ups,
    (SELECT coalesce(json_object_agg(f.kind, f.attempts), '{}') FROM follow_ups f WHERE f.payment_id = p.id) AS asked_for
FROM payments p WHERE p.source = %s AND p.intent_id = %s
    AND p.id = (SELECT payment_id FROM intent_keys WHERE source = %s AND intent_id = %s) AND public.pinned()
FOR UPDATE OF p

-- name: finish
UPDATE payments SET state = %(to)s, detail = %(detail)s, code = 'decided', in_doubt = in_doubt AND %(to)s <> 'succeeded',
    resend_asked = false, due_at = NULL, hold_reason = NULL,
    provider_reference = coalesce(%(line)s, provider_reference)
WHERE id = %(id)s

-- name: resend
-- The old deadline would park it again at once; a new one ends the waiting for books that nobody can read.
UPDATE payments p SET state = 'unknown', resend_asked = true, due_at = clock(), rung = 0,
    deadline = lane_clock(l) + make_interval(secs => %(deadline_s)s), detail = %(detail)s, code = 'decided'
FROM lanes l WHERE p.id = %(id)s AND l.provider = p.provider

-- name: shown
-- What this person was last shown of it, since it was last claimed.
SELECT r.look FROM resolutions r
WHERE r.payment_id = %(id)s AND r.by_whom = %(by)s AND r.action = 'look'
    AND r.resolved_at >= coalesce((SELECT max(a.started_at) FROM attempts a WHERE a.payment_id = %(id)s), '-infinity')
ORDER BY r.id DESC LIMIT 1

-- name: decided_since
-- Of one in the archive nothing is asked: it is final, and no approval decides it.
SELECT r.action, r.by_whom, r.approved_by, r.reason FROM resolutions r JOIN payments p ON p.id = r.payment_id
WHERE (p.source, p.intent_id) = (%(source)s, %(intent_id)s) AND r.action IN ('succeeded', 'refused', 'resend')
    AND r.resolved_at >= %(at)s::timestamptz
ORDER BY r.id DESC LIMIT 1

-- name: looked
-- The next number of a check fences one that is under way: its verdict moves nothing any more.
WITH numbered AS (UPDATE payments SET checks = checks + 1 WHERE id = %(id)s RETURNING id, checks)
INSERT INTO checks (payment_id, number, verdict, detail, evidence)
SELECT id, checks, %(verdict)s, %(detail)s, %(evidence)s::jsonb FROM numbered

-- name: applied
WITH moved AS (
    UPDATE payments SET state = 'succeeded', in_doubt = false, resend_asked = false, due_at = NULL, hold_reason = NULL,
        detail = %(detail)s, code = NULL, provider_reference = coalesce(%(reference)s, provider_reference)
    WHERE id = %(id)s RETURNING id, provider, books_key
)
INSERT INTO taken_lines (provider, account, line, payment_id)
SELECT provider, books_key, %(line)s, id FROM moved WHERE books_key IS NOT NULL AND %(line)s::text IS NOT NULL
ON CONFLICT DO NOTHING

-- name: take
-- Where the provider keeps no list of accounts (books_key), a line's number is the provider's own. A success that the
-- provider gave this number is that line too: what was taken in a lost time is not in taken_lines any more.
INSERT INTO taken_lines (provider, account, line, payment_id, by_whom)
SELECT p.provider, coalesce(p.books_key, ''), %(line)s, p.id, %(by)s FROM payments p WHERE p.id = %(id)s
    AND NOT EXISTS (SELECT FROM payments q WHERE (q.provider, q.books_key, q.provider_reference)
                        = (p.provider, p.books_key, %(line)s) AND q.state = 'succeeded' AND q.id <> p.id)
    AND NOT EXISTS (SELECT FROM archive.payments q WHERE (q.provider, q.books_key, q.provider_reference)
                        = (p.provider, p.books_key, %(line)s) AND q.state = 'succeeded' AND q.id <> p.id)
ON CONFLICT DO NOTHING

-- name: taken
WITH payment AS (SELECT id, provider, books_key FROM payments WHERE id = %(id)s), others AS (
    SELECT t.payment_id AS id FROM taken_lines t JOIN payment p
        ON (t.provider, t.account, t.line) = (p.provider, coalesce(p.books_key, ''), %(line)s)
    UNION SELECT q.id FROM payments q JOIN payment p ON (q.provider, q.books_key) = (p.provider, p.books_key)
        WHERE q.state = 'succeeded' AND q.provider_reference = %(line)s AND q.id <> p.id
    UNION SELECT q.id FROM archive.payments q JOIN payment p ON (q.provider, q.books_key) = (p.provider, p.books_key)
        WHERE q.state = 'succeeded' AND q.provider_reference = %(line)s
)
SELECT q.source || '/' || q.intent_id AS name
FROM (SELECT id, source, intent_id FROM payments UNION ALL SELECT id, source, intent_id FROM archive.payments) q
WHERE q.id IN (SELECT id FROM others) ORDER BY q.id LIMIT 1

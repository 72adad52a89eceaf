-- name: take_back
-- Workers dropped the messages of what was dispatched when the lane stopped. One that is being claimed at this moment
-- (locked) has its sender. No lease is longer than `longest_s`: what waits until later is not read, however much that is.
WITH resumed AS (
    UPDATE lanes SET resumed = false WHERE provider = %(provider)s
), dropped AS (
    SELECT id FROM payments WHERE provider = %(provider)s AND due_at > clock()
        AND due_at <= clock() + make_interval(secs => %(longest_s)s)
        AND (state = 'dispatched' OR state = 'unknown' AND check_due) FOR UPDATE SKIP LOCKED
), follow_ups AS (
    UPDATE follow_ups SET due_at = clock()
    WHERE provider = %(provider)s AND state = 'dispatched' AND due_at > clock()
)
UPDATE payments p SET due_at = clock() FROM dropped WHERE p.id = dropped.id

-- name: give_back
-- Of a process that stops. One that is being claimed at this moment (locked) has its sender.
WITH held AS (
    SELECT p.id FROM unnest(%(ids)s::bigint[], %(references)s::text[]) AS n(id, reference) JOIN payments p ON p.id = n.id
    WHERE p.sent_reference = coalesce(n.reference, p.sent_reference) AND p.due_at > clock()
        AND (coalesce(p.state, '') = 'dispatched' OR p.state = 'unknown' AND p.check_due)
    ORDER BY p.id FOR NO KEY UPDATE OF p SKIP LOCKED
)
UPDATE payments p SET due_at = clock() FROM held WHERE p.id = held.id

-- name: recover
-- A lease that ran out is an ambiguous attempt like any other, but for one whose baseline was not kept: the send comes
-- after that, so nothing was sent. That says nothing of an earlier attempt.
WITH late AS (
    SELECT id, attempts, reads_first AND baseline IS NULL AS unsent,
        NOT resend_safe AND (NOT (reads_first AND baseline IS NULL) OR ever_doubtful(id, attempts)) AS looks
    FROM payments
    WHERE provider = %(provider)s AND due_at <= clock() AND state = 'sending' AND public.pinned()
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), ended AS (
    UPDATE attempts a SET ended_at = clock(), meaning = 'not_sent', kind = 'lease_lost' FROM late
    WHERE late.unsent AND a.payment_id = late.id AND a.number = late.attempts
)
UPDATE payments p SET state = CASE WHEN looks THEN 'unknown' ELSE 'waiting' END,
    in_doubt = in_doubt OR looks OR NOT unsent, possibly_sent = possibly_sent OR NOT unsent, rung = 0,
    detail = 'no outcome was recorded before the lease ran out', code = 'outcome_lost',
    due_at = clock() + make_interval(
        secs => CASE WHEN looks THEN %(check_s)s ELSE random() * %(base_s)s END)
FROM late WHERE p.id = late.id
RETURNING p.id, p.state

-- name: park_overdue
WITH overdue AS (
    SELECT p.id FROM payments p JOIN lanes l USING (provider)
    WHERE p.provider = %(provider)s AND p.due_at <= clock() AND p.state = 'waiting' AND p.deadline <= lane_clock(l)
        AND public.pinned()
    ORDER BY p.due_at LIMIT %(limit)s FOR UPDATE OF p SKIP LOCKED
)
UPDATE payments p SET state = 'parked', due_at = NULL, code = 'past_deadline',
    detail = 'past its deadline: ' || coalesce(p.detail, 'no attempt went through')
FROM overdue WHERE p.id = overdue.id RETURNING p.id

-- name: unclaimed
SELECT count(*) AS n FROM payments WHERE provider = %(provider)s AND state = 'dispatched' AND due_at > clock()

-- name: on_the_wire
-- A check that is under way has a number and no verdict yet. What it sends is counted without a gap. `longest_s`: as in
-- take_back.
SELECT count(*) AS n FROM payments p WHERE provider = %(provider)s AND due_at > clock()
    AND due_at <= clock() + make_interval(secs => %(longest_s)s)
    AND (state IN ('dispatched', 'sending') OR state = 'unknown' AND (check_due OR checks > 0 AND NOT EXISTS (
        SELECT FROM checks c WHERE c.payment_id = p.id AND c.number = p.checks)))

-- name: claim_due
-- What may have been applied is looked at before it is sent again, however it came to wait.
WITH due AS (
    SELECT id, state, exclusive_key, due_at,
        CASE WHEN state = 'unknown' THEN true WHEN attempts = 0 THEN possibly_sent  -- in a lost time
            WHEN resend_safe THEN false ELSE ever_doubtful(id, NULL) END AS looks
    FROM payments
    WHERE provider = %(provider)s AND due_at <= clock() AND state <> 'sending' AND public.pinned()
        AND (state = 'unknown' OR NOT %(checks_only)s)
        -- overdue, and not parked yet
        AND (state = 'waiting' AND deadline <= (SELECT lane_clock(l) FROM lanes l WHERE provider = %(provider)s))
            IS NOT TRUE
    ORDER BY due_at, id LIMIT %(room)s FOR UPDATE SKIP LOCKED
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY exclusive_key, state = 'accepted' ORDER BY due_at, id) AS place FROM due
), judged AS (
    SELECT id, state, looks, state = 'accepted' AND exclusive_key IS NOT NULL AND (place > 1 OR EXISTS (
        SELECT FROM payments b WHERE b.exclusive_key = ranked.exclusive_key
        AND b.state IN ('dispatched', 'sending', 'waiting', 'unknown', 'parked'))) AS busy
    FROM ranked
), taken AS (
    UPDATE payments p SET
        state = CASE WHEN busy THEN p.state WHEN looks THEN 'unknown' ELSE 'dispatched' END,
        in_doubt = in_doubt OR looks AND j.state <> 'unknown',
        hold_reason = CASE WHEN busy THEN 'invoice_busy' END,
        detail = CASE WHEN busy THEN 'another payment on the same invoice is under way' ELSE p.detail END,
        due_at = CASE WHEN NOT busy THEN clock() + make_interval(secs => %(lease_s)s) END,
        check_due = looks
    FROM judged j WHERE p.id = j.id
    RETURNING p.id, p.sent_reference AS reference, looks AS check, busy
)
SELECT id, reference, "check", busy FROM taken ORDER BY id

-- name: keep
-- Final (received, not delivered, error) stands above what is not, whenever that was said; else the later one counts.
INSERT INTO sms_reports AS k (sms_id, number, status, reported_at)
SELECT %(sms_id)s, t.number, t.status, coalesce(%(reported_at)s::timestamptz, clock())
FROM unnest(%(number)s::text[], %(status)s::smallint[]) AS t(number, status) ORDER BY t.number
ON CONFLICT (sms_id, number) DO UPDATE
    SET status = excluded.status, reported_at = excluded.reported_at, received_at = clock()
    WHERE (excluded.status IN (1, 2, 4)) > k.final
        OR (excluded.status IN (1, 2, 4)) = k.final AND excluded.reported_at > k.reported_at

-- name: forget
DELETE FROM sms_reports r USING (
    SELECT sms_id, number FROM sms_reports WHERE received_at < clock() - make_interval(days => %(days)s) LIMIT %(limit)s
) AS old WHERE (r.sms_id, r.number) = (old.sms_id, old.number)

-- name: unreported
SELECT reference FROM follow_ups
WHERE kind = 'sms' AND state = 'issued' AND delivery IS NULL AND reference IS NOT NULL
    AND finished_at > clock() - make_interval(secs => %(younger_s)s)
ORDER BY finished_at DESC LIMIT %(limit)s

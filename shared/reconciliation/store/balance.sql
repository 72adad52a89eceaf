-- name: totals
SELECT category, currency, count(*) AS count, sum(local_minor) AS local_minor,
    sum(provider_minor) AS provider_minor
FROM (
    SELECT category, currency, local_minor, provider_minor FROM reconciled_payments
    WHERE run_id = %(run)s AND category = 'matched'
    UNION ALL SELECT category, currency, local_minor, provider_minor FROM findings WHERE run_id = %(run)s
) t GROUP BY category, currency ORDER BY currency, category

-- name: own
-- Of the night's own day: what the night looked at again stands apart.
SELECT category, currency, count(*) AS count, sum(local_minor) AS local_minor,
    sum(provider_minor) AS provider_minor
FROM (
    SELECT category, currency, local_minor, provider_minor FROM reconciled_payments
    WHERE run_id = %(run)s AND category = 'matched' AND finished_at >= %(from)s AND finished_at < %(to)s
    UNION ALL SELECT category, currency, local_minor, provider_minor FROM findings
    WHERE run_id = %(run)s AND of_day = %(day)s
) t GROUP BY category, currency ORDER BY currency, category

-- name: ended
-- Our payments that succeeded on this day.
SELECT currency, sum(signed_minor) AS local_minor FROM scope
WHERE state = 'succeeded' AND finished_at >= %(from)s AND finished_at < %(to)s GROUP BY currency

-- name: sums
-- Nothing here knows of categories: payments in scope that succeeded; lines of payments in scope, or found as nobody's;
-- of invoices, what ours in scope come to and the difference.
SELECT currency, coalesce(sum(local_minor), 0) AS local_minor,
    coalesce(sum(provider_minor), 0) AS provider_minor
FROM (
    SELECT currency, sum(signed_minor) FILTER (WHERE state = 'succeeded') AS local_minor,
        sum(signed_minor) FILTER (WHERE state = 'succeeded' AND NOT by_line) AS provider_minor
    FROM scope GROUP BY currency
    UNION ALL SELECT currency, NULL, sum(difference_minor) FROM invoices GROUP BY currency
    UNION ALL
    SELECT currency, NULL, sum(amount_minor) FROM booked
    WHERE id IS NOT NULL OR number IN (SELECT number FROM strays) GROUP BY currency
) t GROUP BY currency

-- name: keep
UPDATE reconciliations SET state = 'compared', compared_at = clock(), totals = %(totals)s::jsonb, unread = %(unread)s,
    carried_at = NULL, divided = true
WHERE id = %(run)s

-- name: moment
SELECT clock() AS now

-- name: outcomes
-- Of a stretch of time, by the block ranges of events_age.
SELECT type, count(*) AS payments FROM events
WHERE created_at >= %(begins)s AND created_at < %(ends)s AND type = ANY(%(types)s) GROUP BY type

-- name: store
SELECT epoch, held_at IS NOT NULL AS held, extract(epoch FROM clock() - beat_at)::float8 AS beat_s FROM store

-- name: lanes
-- One that no process has made yet runs.
SELECT provider, paused_at IS NOT NULL AS paused, halted_at IS NOT NULL AS halted, open_until IS NOT NULL AS open,
    coalesce(failures, 0) AS failures, coalesce(extract(epoch FROM clock() - stopped_at), 0)::float8 AS stopped_s
FROM unnest(%(lanes)s::text[]) AS known(provider) LEFT JOIN lanes USING (provider)

-- name: workers
-- A worker's sign of life is an advisory lock of a session that is named after the queues that it serves.
SELECT a.application_name AS session, count(*) AS workers
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND starts_with(a.application_name, %(prefix)s)
GROUP BY a.application_name

-- name: oldest_event
SELECT extract(epoch FROM clock() - created_at)::float8 AS oldest_s FROM outbox JOIN events USING (id) ORDER BY id LIMIT 1

-- name: follow_ups
SELECT provider, count(*) AS due FROM follow_ups WHERE provider = ANY(%(lanes)s) AND due_at <= clock() GROUP BY provider

-- name: plan
INSERT INTO job_runs (job, slot, state, due_at, outcome)
SELECT job, slot, CASE WHEN skipped THEN 'skipped' ELSE 'waiting' END, CASE WHEN NOT skipped THEN clock() END,
    CASE WHEN skipped THEN 'missed; a later slot makes up for it' END
FROM unnest(%(job)s::text[], %(slot)s::timestamptz[], %(skipped)s::boolean[]) AS t(job, slot, skipped)
ON CONFLICT DO NOTHING

-- name: supersede
-- A slot that could not be completed before the next one is due: that one does its work.
UPDATE job_runs r SET state = 'failed', due_at = NULL, finished_at = clock(),
    outcome = left('superseded by a later slot; ' || coalesce(outcome, 'never started'), %(max)s)
WHERE r.job = ANY(%(jobs)s) AND r.state = 'waiting'
    AND EXISTS (SELECT FROM job_runs n WHERE n.job = r.job AND n.slot > r.slot AND n.slot <= clock()
                AND n.state <> 'skipped')
RETURNING r.job, r.slot

-- name: know_ahead
-- What lies ahead was written while the clock ran ahead. It counts for nothing at once, and is taken back when it has
-- lain ahead for a minute: a clock that goes back for a moment makes every row look like that.
UPDATE job_runs SET ahead_since = CASE WHEN slot > clock() OR due_at > clock() + make_interval(secs => %(most_s)s)
                                       THEN clock() END
WHERE CASE WHEN slot > clock() OR due_at > clock() + make_interval(secs => %(most_s)s)
           THEN coalesce(ahead_since > clock(), true) ELSE ahead_since IS NOT NULL END

-- name: forget_ahead
DELETE FROM job_runs WHERE ahead_since <= clock() - interval '1 minute' AND slot > clock()
    AND state <> 'running' RETURNING job

-- name: due_now
UPDATE job_runs SET due_at = clock(), ahead_since = CASE WHEN slot > clock() THEN ahead_since END
WHERE ahead_since <= clock() - interval '1 minute' AND due_at > clock() + make_interval(secs => %(most_s)s)

-- name: not_made_up_for
-- Whose work a forgotten slot would have done: a slot that was left out is planned anew, one that was given up waits.
WITH last AS (
    SELECT job, max(slot) FILTER (WHERE state <> 'skipped') AS slot FROM job_runs
    WHERE job = ANY(%(jobs)s) AND slot <= clock() GROUP BY job
), left_out AS (
    DELETE FROM job_runs r USING last WHERE r.job = last.job AND r.state = 'skipped' AND r.slot > last.slot
)
UPDATE job_runs r SET state = 'waiting', due_at = clock(), finished_at = NULL
FROM last WHERE r.job = last.job AND r.slot = last.slot AND r.state = 'failed'

-- name: recover
WITH lost AS (
    SELECT id, state AS was FROM job_runs WHERE state IN ('dispatched', 'running') AND due_at <= clock() FOR UPDATE
)
UPDATE job_runs r SET state = 'waiting', due_at = clock(),
    outcome = CASE was WHEN 'running' THEN 'no end was recorded: its runner was killed, or it hung' ELSE outcome END
FROM lost WHERE r.id = lost.id RETURNING job, slot, attempts, was

-- name: due
-- One run of a job at a time, oldest slot first.
WITH due AS (
    SELECT DISTINCT ON (job) id, job FROM job_runs r
    WHERE state = 'waiting' AND due_at <= clock() AND slot <= clock() AND job = ANY(%(jobs)s)
        AND NOT EXISTS (SELECT FROM job_runs o WHERE o.job = r.job AND o.state IN ('dispatched', 'running'))
    ORDER BY job, slot
)
UPDATE job_runs r SET state = 'dispatched', due_at = clock() + make_interval(secs => %(lease_s)s)
FROM due WHERE r.id = due.id RETURNING r.id, r.job

-- name: claim
UPDATE job_runs SET state = 'running', attempts = attempts + 1, started_at = clock(), finished_at = NULL,
    due_at = clock() + make_interval(secs => %(lease_s)s)
WHERE id = %(id)s AND state = 'dispatched' AND due_at > clock() AND slot <= clock()
RETURNING id, job, slot, attempts

-- name: record
UPDATE job_runs SET state = %(to)s, outcome = %(outcome)s, finished_at = clock(),
    due_at = clock() + make_interval(secs => %(wait_s)s::float8)
WHERE id = %(id)s AND state = 'running' AND attempts = %(attempt)s RETURNING id

-- name: beat
UPDATE job_runs SET due_at = clock() + make_interval(secs => %(lease_s)s)
WHERE id = %(id)s AND state = 'running' AND attempts = %(attempt)s RETURNING id

-- name: overview
SELECT j.job, r.slot, r.state, r.attempts, r.started_at, r.finished_at, r.outcome,
    extract(epoch FROM r.finished_at - r.started_at)::float8 AS duration_s
FROM unnest(%(jobs)s::text[]) AS j(job) CROSS JOIN LATERAL (
    SELECT * FROM job_runs r WHERE r.job = j.job AND r.state <> 'skipped' ORDER BY slot DESC LIMIT 1) AS r

-- name: prune
DELETE FROM job_runs r WHERE state IN ('done', 'failed', 'skipped') AND slot < clock() - make_interval(days => %(days)s)
    AND EXISTS (SELECT FROM job_runs n WHERE n.job = r.job AND n.slot > r.slot)

-- name: unfinished
-- One that was given up is not done until a later one is: a job whose every slot is given up is late since the first.
SELECT job, min(slot) AS slot FROM (
    SELECT job, slot FROM job_runs WHERE due_at IS NOT NULL
    UNION ALL
    SELECT job, slot FROM job_runs r WHERE state = 'failed' AND NOT EXISTS (
        SELECT FROM job_runs d WHERE d.job = r.job AND d.slot > r.slot AND d.state = 'done')
) AS open GROUP BY job

-- name: runs
SELECT job, utc_text(slot) AS slot, state, attempts, utc_text(started_at) AS started_at,
    utc_text(finished_at) AS finished_at, extract(epoch FROM finished_at - started_at)::float8 AS took_s, outcome
FROM job_runs ORDER BY job_runs.slot DESC, id DESC LIMIT %(limit)s OFFSET %(skip)s

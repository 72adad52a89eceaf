-- Periodic jobs: a row for each slot of a job. Completed once, started at least once.
CREATE TABLE job_runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job         text NOT NULL,
    slot        timestamptz NOT NULL,          -- the moment that it was meant for
    state       text NOT NULL DEFAULT 'waiting'
                    CHECK (state IN ('waiting', 'dispatched', 'running', 'done', 'failed', 'skipped')),
    attempts    integer NOT NULL DEFAULT 0,    -- starts; the last one's number fences its outcome
    due_at      timestamptz,                   -- waiting: when it is tried; dispatched, running: the lease's end
    started_at  timestamptz,
    finished_at timestamptz,
    outcome     text,
    UNIQUE (job, slot),
    CHECK ((due_at IS NULL) = (state IN ('done', 'failed', 'skipped')))
);
CREATE INDEX job_runs_due ON job_runs (due_at) WHERE due_at IS NOT NULL;

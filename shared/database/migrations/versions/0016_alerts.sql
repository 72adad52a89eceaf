-- What stands still, or is in question, and has to be told to people: once for each standing still, until it ends.
CREATE TABLE alerts (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    subject    text NOT NULL,             -- the provider, job or currency that it is about; empty: none
    raised_at  timestamptz NOT NULL DEFAULT clock(),
    seen_at    timestamptz NOT NULL DEFAULT clock(), -- it was found to stand last
    cleared_at timestamptz,
    figures    jsonb NOT NULL             -- as it was found last
);
CREATE UNIQUE INDEX alerts_standing ON alerts (name, subject) WHERE cleared_at IS NULL;

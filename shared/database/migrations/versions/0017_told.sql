-- What was sent of an alert, by each way: a lease while somebody sends, and what was told last.
CREATE TABLE alerts_told (
    alert_id        bigint NOT NULL REFERENCES alerts ON DELETE CASCADE,
    way             text NOT NULL CHECK (way IN ('webhook', 'alertmanager', 'mail')),
    attempts        integer NOT NULL,      -- takings; the last one's number fences what is noted of it
    tries           integer NOT NULL,      -- of them, since something was told last
    tried_since     timestamptz,           -- the first of those
    due_at          timestamptz,           -- while somebody sends: the lease's end; after a failure: not before this
    told_at         timestamptz,           -- that it stands, last
    told_number     bigint,                -- and how many (payments, entries, discrepancies) it was about then
    cleared_told_at timestamptz,           -- that it ended
    failure         text,                  -- why the last sending failed
    PRIMARY KEY (alert_id, way)
);
CREATE INDEX alerts_told_open ON alerts_told (way, alert_id) WHERE cleared_told_at IS NULL;

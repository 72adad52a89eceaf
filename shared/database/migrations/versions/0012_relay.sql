-- The relay's turn, and a replay's cursor.
ALTER TABLE relay_position
    ALTER COLUMN entry_id DROP NOT NULL,                 -- none: nothing was written yet, or the stream was wiped
    ADD COLUMN turn bigint NOT NULL DEFAULT 0,           -- grows when a relay begins: an older one notes nothing more
    ADD COLUMN replay bigint NOT NULL DEFAULT 0,         -- grows when a replay is asked for
    ADD COLUMN replay_first bigint,                      -- of the active replay: ids of its first, next and last event
    ADD COLUMN replay_next bigint,
    ADD COLUMN replay_last bigint,
    ADD CHECK ((replay_next IS NULL) = (replay_first IS NULL) AND (replay_next IS NULL) = (replay_last IS NULL));

-- A slot that is planned for a time to come: the database's clock ran ahead when it was planned. It is forgotten when
-- it was seen to lie ahead for a while (a clock that goes back for a moment makes all of them look like that).
ALTER TABLE job_runs ADD COLUMN ahead_since timestamptz;
CREATE INDEX job_runs_slot ON job_runs (slot);

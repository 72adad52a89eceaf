-- name: pending
-- What is to be written next, the oldest first: what is in the outbox and what the active replay has not come to yet, as
-- one sequence. So the events of a payment are in order, whichever of the two they belong to.
WITH chosen AS (
    (SELECT id FROM outbox ORDER BY id LIMIT %(limit)s)
    UNION
    (SELECT e.id FROM relay_position r CROSS JOIN LATERAL (
        -- one bound only: between two the planner sees few events, and sorts all of them for each batch
        SELECT id FROM events WHERE id >= r.replay_next ORDER BY id LIMIT %(limit)s) AS e WHERE e.id <= r.replay_last)
    ORDER BY id LIMIT %(limit)s
)
SELECT e.id, e.event_id, e.type, e.subject, e.data::text AS data, e.created_at,
    (SELECT p.traceparent FROM payments p WHERE p.id = e.payment_id) AS traceparent,
    (SELECT asked FROM outbox o WHERE o.id = e.id) AS asked, (SELECT replay FROM relay_position) AS replay
FROM chosen CROSS JOIN LATERAL (
    -- each by its id: as long as there are some ten thousand, the planner would read and sort all of them for each batch
    SELECT * FROM events WHERE id = chosen.id OFFSET 0
) AS e ORDER BY e.id

-- name: begin
INSERT INTO relay_position AS r (turn) VALUES (%(turn)s)
ON CONFLICT (one) DO UPDATE SET turn = excluded.turn WHERE r.turn <= excluded.turn RETURNING turn, entry_id

-- name: carried
-- A replay that was asked for meanwhile keeps its own beginning, and so does an event its place.
WITH noted AS (
    INSERT INTO relay_position AS r (entry_id, turn) VALUES (%(entry_id)s, coalesce(%(turn)s::bigint, 0))
    ON CONFLICT (one) DO UPDATE SET entry_id = excluded.entry_id,
        replay_next = CASE WHEN r.replay_next IS NOT NULL AND r.replay = coalesce(%(replay)s::bigint, r.replay)
            THEN greatest(r.replay_next, %(next)s) ELSE r.replay_next END
    WHERE r.turn = coalesce(%(turn)s::bigint, r.turn)
    RETURNING 1 AS one
), told AS (
    DELETE FROM outbox o USING noted, unnest(%(ids)s::bigint[], %(asked)s::integer[]) AS t(id, asked)
    WHERE o.id = t.id AND o.asked = t.asked
)
SELECT one FROM noted

-- name: left
SELECT replay, replay_last, (SELECT id FROM events WHERE id >= replay_next ORDER BY id LIMIT 1) AS id
FROM relay_position WHERE replay_next IS NOT NULL

-- name: end_replay
UPDATE relay_position SET replay_first = NULL, replay_next = NULL, replay_last = NULL
WHERE replay_next IS NOT NULL AND replay = %(replay)s AND turn = %(turn)s

-- name: page_back
SELECT min(id) AS lowest, max(id) AS highest, count(*) FILTER (WHERE created_at >= %(since)s) AS n,
    min(id) FILTER (WHERE created_at >= %(since)s) AS first
FROM (SELECT id, created_at FROM events WHERE id < %(before)s ORDER BY id DESC LIMIT %(limit)s) AS page

-- name: replay
-- One replay at a time: one that is asked for while another is active makes it begin earlier or end later.
INSERT INTO relay_position AS r (replay, replay_first, replay_next, replay_last)
VALUES (1, %(first)s, %(first)s, %(last)s)
ON CONFLICT (one) DO UPDATE SET replay = r.replay + 1,
    entry_id = CASE WHEN %(wiped)s THEN NULL ELSE r.entry_id END,
    replay_first = least(r.replay_first, excluded.replay_first),
    replay_next = CASE WHEN %(wiped)s THEN least(r.replay_first, excluded.replay_first)
                       ELSE least(r.replay_next, excluded.replay_next) END,
    replay_last = greatest(r.replay_last, excluded.replay_last)
WHERE r.turn = coalesce(%(turn)s::bigint, r.turn)

-- name: mark_first
-- Whoever looks whether something is pending finds the beginning of a replay at once; the cursor stands for the rest.
WITH locked AS (
    SELECT id FROM events
    WHERE id IN (SELECT id FROM events WHERE id >= %(first)s ORDER BY id LIMIT %(limit)s) AND id <= %(last)s
    ORDER BY id FOR NO KEY UPDATE
)
INSERT INTO outbox AS o (id) SELECT id FROM locked ON CONFLICT (id) DO UPDATE SET asked = o.asked + 1

-- name: move
UPDATE store SET lives_at = whereabouts()

-- name: recovered
UPDATE store SET epoch = greatest(epoch, %(epoch)s) + 1, beat = beat + 1, beat_at = clock(), lives_at = whereabouts(),
    held_at = NULL, held_reason = NULL
RETURNING epoch

-- name: jump
-- What names something outside (a payment in a message, an event, a line that a person was told of) is never given to
-- another thing of another time.
SELECT setval(s.name::regclass, greatest(s.next, %(epoch)s * 1000000000000))
FROM (SELECT format('%%I.%%I', schemaname, sequencename) AS name, coalesce(last_value, 1) AS next FROM pg_sequences
      WHERE schemaname = 'public') AS s

-- name: relayed
INSERT INTO relay_position (entry_id) VALUES (%(entry_id)s) ON CONFLICT (one) DO UPDATE SET entry_id = %(entry_id)s

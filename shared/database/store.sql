-- name: look
SELECT epoch, beat, beat_at, installation::text, lives_at, key_fingerprint, derived_since, held_at, held_reason,
    whereabouts() AS here, written() AS written
FROM store

-- name: adopt
UPDATE store SET installation = gen_random_uuid(), lives_at = whereabouts() WHERE lives_at IS NULL

-- name: beat
-- A clock that went back must not stop it.
UPDATE store SET beat = beat + 1, beat_at = clock()
WHERE held_at IS NULL AND (beat_at <= clock() - make_interval(secs => %(every_s)s) OR beat_at > clock())

-- name: hold
UPDATE store SET held_at = clock(), held_reason = %(reason)s WHERE held_at IS NULL RETURNING held_at

-- name: derives
UPDATE store SET key_fingerprint = %(fingerprint)s, derived_since = clock() WHERE key_fingerprint IS NULL

-- name: propose
INSERT INTO proposals (kind, subject, asked, seen, reason, proposed_by, ends_at)
VALUES (%(kind)s, %(subject)s, %(asked)s::json, %(seen)s::json, %(reason)s, %(by)s,
    clock() + make_interval(secs => %(open_s)s))
RETURNING id

-- name: one
SELECT id, kind, subject, asked, seen, reason, proposed_by, utc_text(proposed_at) AS proposed_at,
    utc_text(ends_at) AS ends_at, CASE WHEN state = 'open' AND ends_at <= clock() THEN 'void' ELSE state END AS state,
    utc_text(ended_at) AS ended_at, ended_by, ended_why
FROM proposals WHERE id = %(id)s

-- name: listed
SELECT id, kind, subject, asked, seen, reason, proposed_by, utc_text(proposed_at) AS proposed_at,
    utc_text(ends_at) AS ends_at, CASE WHEN state = 'open' AND ends_at <= clock() THEN 'void' ELSE state END AS state,
    utc_text(ended_at) AS ended_at, ended_by, ended_why
FROM proposals p WHERE %(everything)s OR (p.state = 'open' AND p.ends_at > clock()) ORDER BY id

-- name: ended
SELECT id, kind, subject, asked, seen, reason, proposed_by, utc_text(proposed_at) AS proposed_at,
    utc_text(ends_at) AS ends_at, CASE WHEN state = 'open' AND ends_at <= clock() THEN 'void' ELSE state END AS state,
    utc_text(ended_at) AS ended_at, ended_by, ended_why
FROM proposals p WHERE p.state <> 'open' OR p.ends_at <= clock() ORDER BY id DESC LIMIT %(limit)s

-- name: end
UPDATE proposals SET state = %(state)s, ended_at = clock(), ended_by = %(by)s, ended_why = %(why)s
WHERE id = %(id)s AND state = 'open'

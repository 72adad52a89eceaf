-- name: last
SELECT utc_text(clock()) AS at, a.number, a.hash
FROM (SELECT) AS always LEFT JOIN (SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1) a ON true

-- name: write
INSERT INTO audit (number, at, by_whom, action, subject, reason, content, previous, hash)
VALUES (%(number)s, %(at)s::timestamptz, %(by_whom)s, %(action)s, %(subject)s, %(reason)s, %(content)s::json,
    %(previous)s, %(hash)s)

-- name: page
SELECT number, utc_text(at) AS at, by_whom, action, subject, reason, content, previous, hash FROM audit
WHERE number > %(after)s AND (%(since)s::timestamptz IS NULL OR audit.at >= %(since)s) ORDER BY number LIMIT %(limit)s

-- name: newest
SELECT number, utc_text(at) AS at, by_whom, action, subject, reason, content, hash FROM audit
WHERE number < %(before)s ORDER BY number DESC LIMIT %(limit)s

-- name: unread
WITH gone AS (
    DELETE FROM scope s WHERE NOT EXISTS (
        SELECT FROM provider_accounts a WHERE a.run_id = %(run)s AND a.account = s.account) RETURNING 1
) SELECT count(*) AS unread FROM gone

-- name: book_pulled
UPDATE booked l SET id = s.id, exchanged = s.currency <> l.currency FROM scope s
WHERE s.id = ANY(%s) AND l.id IS NULL AND l.marker = s.marker

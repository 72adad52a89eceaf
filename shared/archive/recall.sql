-- name: families
-- In order of id, so that two who want the same ones back wait for each other and don't deadlock.
WITH head AS (SELECT coalesce(settle_id, id) AS id FROM archive.payments WHERE id = ANY(%(ids)s))
SELECT id FROM archive.payments
WHERE id = ANY(ARRAY(SELECT id FROM head)) OR settle_id = ANY(ARRAY(SELECT id FROM head))
ORDER BY id FOR UPDATE

-- name: told
DELETE FROM outbox o USING events e WHERE e.id = o.id AND e.payment_id = ANY(%(ids)s)

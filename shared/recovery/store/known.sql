-- name: missing
SELECT t.place FROM unnest(%(place)s::int[], %(event_id)s::text[], %(type)s::text[], %(payment_id)s::bigint[])
    AS t(place, event_id, type, payment_id)
WHERE NOT EXISTS (SELECT FROM events e WHERE e.event_id = t.event_id AND e.type = t.type
        AND (e.payment_id = t.payment_id OR e.payment_id IS NULL AND t.payment_id IS NULL))
    AND NOT EXISTS (SELECT FROM archive.events e WHERE e.event_id = t.event_id AND e.type = t.type
        AND e.payment_id = t.payment_id)
ORDER BY t.place

-- name: is_new
SELECT NOT EXISTS (SELECT FROM payments) AND NOT EXISTS (SELECT FROM archive.payments) AS new

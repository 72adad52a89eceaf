-- name: replace
WITH fresh AS (
    SELECT * FROM unnest(%(item_id)s::text[], %(key)s::text[], %(data)s::jsonb[]) AS t(item_id, key, data)
), closed AS (
    UPDATE directory_rows r SET closed_at = clock()
    WHERE provider = %(provider)s AND kind = %(kind)s AND closed_at IS NULL
        AND NOT EXISTS (SELECT FROM fresh f WHERE f.item_id = r.item_id AND f.key = r.key AND f.data = r.data)
    RETURNING id
) SELECT count(*) AS n FROM closed

-- name: open
INSERT INTO directory_rows (provider, kind, item_id, key, data)
SELECT %(provider)s, %(kind)s, f.item_id, f.key, f.data
FROM unnest(%(item_id)s::text[], %(key)s::text[], %(data)s::jsonb[]) AS f(item_id, key, data)
WHERE NOT EXISTS (SELECT FROM directory_rows r WHERE r.provider = %(provider)s AND r.kind = %(kind)s
                  AND r.closed_at IS NULL AND r.item_id = f.item_id)

-- name: lease
INSERT INTO directory_lists AS l (provider, kind, lease_until)
VALUES (%(provider)s, %(kind)s, clock() + make_interval(secs => %(lease_s)s))
ON CONFLICT (provider, kind) DO UPDATE SET lease_until = excluded.lease_until
-- what lies ahead was written by a clock that ran ahead
WHERE (l.fetched_at IS NULL OR l.fetched_at < clock() - make_interval(secs => %(older_s)s)
       OR l.fetched_at > clock() + interval '1 minute')
    AND (l.lease_until IS NULL OR l.lease_until < clock()
         OR l.lease_until > clock() + make_interval(secs => 2 * %(lease_s)s))
RETURNING provider

-- name: look
-- One that ends later than its holder could have written is of a clock that has been set back since: nobody renews it.
-- Twice the length, for a renewal may be younger than this statement's time.
SELECT until, until > clock() AND until <= clock() + make_interval(secs => 2 * length_s) AS live
FROM leases WHERE name = %(name)s

-- name: take
-- The release before held the same by a session lock: its processes may still be there.
WITH taken AS (
    INSERT INTO leases AS l (name, number, until, length_s)
    -- By the clock: a number whose commit was lost (a fail-over, a restore) is not given once more.
    SELECT %(name)s, greatest(%(above)s::bigint + 1, (extract(epoch FROM clock()) * 1000000)::bigint),
        clock() + make_interval(secs => %(length_s)s), %(length_s)s
    WHERE NOT EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = %(kind)s
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND classid::bigint = %(group)s AND objid::bigint = %(key)s)
    ON CONFLICT (name) DO UPDATE
    SET number = greatest(l.number + 1, excluded.number), until = excluded.until, length_s = excluded.length_s
    WHERE l.until <= clock() OR l.until > clock() + make_interval(secs => 2 * l.length_s)
    RETURNING name, number
)
INSERT INTO lease_numbers AS n SELECT name, number FROM taken
ON CONFLICT (name) DO UPDATE SET number = excluded.number
RETURNING number

-- name: renew
UPDATE leases SET until = clock() + make_interval(secs => %(length_s)s) WHERE name = %(name)s AND number = %(number)s

-- name: give_back
UPDATE leases SET until = clock() WHERE name = %(name)s AND number = %(number)s

-- name: reads
SELECT current_setting('transaction_read_only') = 'on' AS alone

-- name: writes
SELECT FROM lease_numbers WHERE name = %(name)s AND number = %(number)s FOR SHARE

-- name: days
WITH nights AS (
    SELECT * FROM reconciliations
    WHERE provider = %(provider)s AND carried_at IS NOT NULL AND divided AND day >= %(from)s AND day < %(to)s
), own AS (
    SELECT n.id, t.currency, sum(t.count) AS count, sum(t.local_minor) AS local_minor,
        sum(t.provider_minor) AS provider_minor
    FROM nights n, jsonb_to_recordset(n.totals) AS t(currency text, count bigint, local_minor numeric,
        provider_minor numeric) GROUP BY n.id, t.currency
), changed AS (
    SELECT n.id, c.currency, sum(c.local_minor) AS local_minor, sum(c.provider_minor) AS provider_minor
    FROM nights n, jsonb_to_recordset(n.carried) AS c(currency text, local_minor numeric, provider_minor numeric)
    GROUP BY n.id, c.currency
), sums AS (
    SELECT coalesce(o.id, c.id) AS id, coalesce(o.currency, c.currency) AS currency, coalesce(o.count, 0) AS count,
        coalesce(o.local_minor, 0) AS local_minor, coalesce(o.provider_minor, 0) AS provider_minor,
        coalesce(c.local_minor, 0) AS earlier_local_minor, coalesce(c.provider_minor, 0) AS earlier_provider_minor
    FROM own o FULL JOIN changed c ON c.id = o.id AND c.currency = o.currency
), told AS (
    SELECT n.id, count(*) FILTER (WHERE t.fresh) AS fresh, count(*) FILTER (WHERE t.closed) AS closed,
        count(*) FILTER (WHERE t.open) AS open
    FROM nights n JOIN told_discrepancies t ON t.run_id = n.id GROUP BY n.id
)
SELECT n.day, n.complete AND n.unread = 0 AS complete, s.currency, coalesce(s.count, 0) AS count,
    coalesce(s.local_minor, 0) AS local_minor, coalesce(s.provider_minor, 0) AS provider_minor,
    coalesce(s.earlier_local_minor, 0) AS earlier_local_minor,
    coalesce(s.earlier_provider_minor, 0) AS earlier_provider_minor,
    coalesce(t.fresh, 0) AS fresh, coalesce(t.closed, 0) AS closed, coalesce(t.open, 0) AS open
FROM nights n LEFT JOIN sums s ON s.id = n.id LEFT JOIN told t ON t.id = n.id ORDER BY n.day, s.currency

-- name: whole
SELECT '' AS name, t.currency, sum(t.count) AS count, coalesce(sum(t.count) FILTER (WHERE t.category <> 'matched'), 0)
    AS differing, sum(t.local_minor) AS local_minor, sum(t.provider_minor) AS provider_minor
FROM reconciliations r, jsonb_to_recordset(r.totals) AS t(category text, currency text, count bigint,
    local_minor numeric, provider_minor numeric)
WHERE r.provider = %(provider)s AND r.carried_at IS NOT NULL AND r.divided AND r.day >= %(from)s AND r.day < %(to)s
GROUP BY t.currency ORDER BY t.currency

-- name: sums
SELECT CASE %(by)s WHEN 'source' THEN d.source ELSE d.service END AS name, d.currency,
    sum(d.count) AS count, sum(d.differing) AS differing, sum(d.local_minor) AS local_minor,
    sum(d.provider_minor) AS provider_minor
FROM day_sums d JOIN reconciliations r ON r.id = d.run_id
WHERE r.provider = %(provider)s AND r.carried_at IS NOT NULL AND r.divided AND r.day >= %(from)s AND r.day < %(to)s
GROUP BY 1, 2 ORDER BY 2, 1

-- name: changes
SELECT '' AS name, c.currency, sum(c.count) AS count, sum(c.count) AS differing, sum(c.local_minor) AS local_minor,
    sum(c.provider_minor) AS provider_minor
FROM reconciliations r, jsonb_to_recordset(r.carried) AS c(currency text, count bigint, local_minor numeric,
    provider_minor numeric)
WHERE r.provider = %(provider)s AND r.carried_at IS NOT NULL AND r.divided AND r.day >= %(from)s AND r.day < %(to)s
GROUP BY c.currency ORDER BY c.currency

-- name: kept_runs
SELECT id FROM reconciliations WHERE provider = %(provider)s AND carried_at IS NOT NULL AND divided AND NOT forgotten
    AND day >= %(from)s AND day < %(to)s ORDER BY day

-- name: older
-- Days whose nights are in no statement: compared by a release whose totals were of all that it looked at.
SELECT day FROM reconciliations
WHERE provider = %(provider)s AND compared_at IS NOT NULL AND NOT divided AND day >= %(from)s AND day < %(to)s
ORDER BY day

-- name: written_at
SELECT max(carried_at) AS at FROM reconciliations
WHERE provider = %(provider)s AND carried_at IS NOT NULL AND divided AND day >= %(from)s AND day < %(to)s

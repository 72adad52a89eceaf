-- name: moment
SELECT clock() AS now

-- name: payments
-- What is not final, in one pass by the partial indexes that hold it; what is final, and the archive, is not read.
SELECT provider, state, hold_reason, currency, places,
    coalesce(due_at <= %(now)s AND state <> 'sending', false) AS due,
    count(*) AS payments, sum(amount_minor) AS amount_minor,
    extract(epoch FROM %(now)s - min(created_at))::float8 AS oldest_s,
    extract(epoch FROM %(now)s - min(due_at))::float8 AS due_s
FROM payments WHERE due_at IS NOT NULL OR hold_reason IS NOT NULL OR state = 'parked'
GROUP BY provider, state, hold_reason, currency, places, due

-- name: events
SELECT count(*) AS pending FROM outbox

-- name: discrepancies
SELECT provider, category, count(*) AS open FROM discrepancies WHERE resolved_at IS NULL GROUP BY provider, category

-- name: quarantine
SELECT count(*) AS entries, (SELECT count(*) FROM quarantine_waiting) AS waits FROM quarantine

-- name: accounts
SELECT provider, count(*) AS accounts FROM bank_accounts WHERE to_confirm AND closed_at IS NULL GROUP BY provider

-- name: at_risk
SELECT provider, currency, count(*) AS payments,
    round(sum(amount_minor) / power(10::numeric, places), places)::text AS amount,
    greatest(0, extract(epoch FROM clock() - min(created_at)))::float8 AS oldest_s
FROM payments WHERE (due_at IS NOT NULL OR state = 'parked') AND state = ANY(%(states)s)
GROUP BY provider, currency, places ORDER BY provider, currency, places

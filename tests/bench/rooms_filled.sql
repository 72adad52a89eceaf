-- A store with very much in it that the pages of the control room show, written directly. All of it is made up.
-- open, finished: how many payments; many: of what waits beside them.

-- name: payments
-- Of a hundred open payments twenty are parked, thirty in doubt, thirty wait, thirteen were not sent yet, six are held
-- for the machine and one for a person. Behind them come the finished ones of the last day. The list of an account in
-- the provider's books has tens of them; of billcenter there is no list.
INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at, target,
    sent_reference, state, detail, hold_reason, created_at, due_at, finished_at, parked_at, path, body, body_sha256,
    attempts, checks, possibly_sent, in_doubt, books_key, exclusive_key, provider_reference, metadata)
SELECT n, CASE n %% 3 WHEN 0 THEN 'shop' WHEN 1 THEN 'bank' ELSE 'wallet' END, 'ord-' || n, provider, 'settle',
    100 + n * 7919 %% 500000, currency, 2, now() - interval '2 days',
    jsonb_build_object('account', 'made-up-' || account), substr(md5(n::text), 1, 20), state,
    CASE WHEN doubtful THEN 'a time-out after the request was sent' END, hold,
    now() - n %% CASE WHEN finished THEN 86400 ELSE 259200 END * interval '1 s',
    CASE WHEN state IN ('waiting', 'unknown') OR state = 'accepted' AND hold IS NULL
        THEN now() + n %% 600 * interval '1 s' END,
    CASE WHEN finished THEN now() - n %% 86400 * interval '1 s' END,
    CASE WHEN state = 'parked' THEN now() - n * 31 %% 172800 * interval '1 s' END, '/pay', repeat('x', 300)::bytea,
    sha256(repeat('x', 300)::bytea), (state <> 'accepted')::int, doubtful::int, doubtful OR finished, doubtful,
    CASE WHEN provider <> 'billcenter' THEN provider || ':made-up-' || account END,
    CASE WHEN provider = 'billcenter' THEN 'billcenter:' || n END, CASE WHEN finished THEN 'P-' || n END,
    '{"note": "made up, as long as they often are"}'
FROM (SELECT *, state IN ('parked', 'unknown') AS doubtful, state = 'succeeded' AS finished FROM (
    SELECT n, n / 100 %% 20000 AS account,
        CASE n / 7 %% 4 WHEN 0 THEN 'ubill' WHEN 1 THEN 'billcenter' ELSE 'mtn' END AS provider,
        CASE n / 7 %% 4 WHEN 0 THEN 'GEL' WHEN 1 THEN 'MNT' ELSE 'GHS' END AS currency,
        CASE WHEN n > %(open)s THEN 'succeeded' WHEN n %% 100 < 20 THEN 'parked' WHEN n %% 100 < 50 THEN 'unknown'
            WHEN n %% 100 < 80 THEN 'waiting' ELSE 'accepted' END AS state,
        CASE WHEN n > %(open)s OR n %% 100 < 93 THEN NULL WHEN n %% 100 = 99 THEN 'account_unconfirmed'
            ELSE 'no_account' END AS hold
    FROM generate_series(1::bigint, %(open)s + %(finished)s) n) AS placed) AS made

-- name: keys
INSERT INTO intent_keys SELECT source, intent_id, sha256(intent_id::bytea), id FROM payments

-- name: attempts
INSERT INTO attempts (payment_id, number, started_at, lease_until, ended_at, worker_key, body_sha256, meaning, kind)
SELECT id, 1, created_at + interval '1 s', created_at + interval '1 minute', created_at + interval '2 s', 1,
    body_sha256, 'check', 'timed_out' FROM payments WHERE attempts > 0

-- name: checks
-- A look that found three lines which may be it.
INSERT INTO checks
SELECT id, 1, created_at + interval '3 minutes', 'inconclusive', 'lines that may be it',
    jsonb_build_object('lines', 3, 'whole', true, 'missing_successes', 0, 'candidates', (
        SELECT jsonb_agg(jsonb_build_object('line', 'L-' || id || '-' || k, 'amount_minor', amount_minor,
            'at', paid_at, 'marker', NULL)) FROM generate_series(1, 3) k))
FROM payments WHERE state IN ('parked', 'unknown')

-- name: events
INSERT INTO events (payment_id, event_id, type, subject, data, created_at)
SELECT id, id || '-' || number, 'settlepipe.payment.' || type, source || '/' || intent_id,
    json_build_object('intent_id', intent_id, 'detail', repeat('x', 300)), at
FROM (SELECT *, 1 AS number, 'accepted' AS type, created_at AS at FROM payments
      UNION ALL
      SELECT *, 2, CASE state WHEN 'waiting' THEN 'unknown' ELSE state END, coalesce(finished_at, created_at)
      FROM payments WHERE state <> 'accepted') AS told ORDER BY at

-- name: resolutions
INSERT INTO resolutions (payment_id, action, from_state, reason, by_whom, resolved_at)
SELECT id, 'succeeded', 'parked', 'seen in the books', 'ann', finished_at FROM payments
WHERE state = 'succeeded' AND id %% 5 = 0

-- name: follow_ups
INSERT INTO follow_ups (payment_id, kind, provider, state, due_at, reference, finished_at, detail)
SELECT id, 'receipt', provider, CASE WHEN id %% 50 = 0 THEN 'parked' ELSE 'issued' END, NULL, id::text, finished_at,
    CASE WHEN id %% 50 = 0 THEN 'a time-out' END FROM payments WHERE state = 'succeeded'

-- name: quarantine
INSERT INTO quarantine (sha256, raw, reason, subject, stream, entry_id, first_seen, last_seen)
SELECT sha256(n::text::bytea), repeat('x', 300)::bytea, 'the amount is not of its form', 'shop/bad-' || n,
    'settlepipe:intake', n || '-0', now() - n * interval '1 s', now() - n * interval '1 s'
FROM generate_series(1, %(many)s) n

-- name: dismissals
INSERT INTO dismissals (quarantine_id, sha256, subject, why, reason, by_whom)
SELECT id, sha256, subject, reason, 'a test of theirs', 'ann' FROM quarantine WHERE id %% 3 = 0

-- name: nights
INSERT INTO reconciliations (provider, day, period_from, period_to, state, started_at, fetched_at, compared_at,
    carried_at, finished_at, divided, totals, carried, hours)
SELECT p, current_date - d, current_date - d, current_date - d + 1, 'done', current_date - d + interval '25 hours',
    now(), now(), now(), now(), true, jsonb_build_array(jsonb_build_object('category', 'matched', 'currency', 'GHS',
        'count', 1000, 'local_minor', 100000, 'provider_minor', 100000)), '[]', '[]'
FROM unnest(ARRAY['ubill', 'mtn', 'billcenter']) p, generate_series(2, 400) d

-- name: discrepancies
INSERT INTO discrepancies (category, provider, payment_id, identity, evidence, first_seen, currency, local_minor,
    provider_minor, account, first_day, resolved_at, resolved_by, resolved_reason)
SELECT (ARRAY['missing_at_provider', 'amount_mismatch', 'paid_elsewhere'])[n %% 3 + 1],
    (ARRAY['ubill', 'mtn', 'billcenter'])[n %% 3 + 1], CASE WHEN n %% 3 < 2 THEN %(open)s + n END, 'made-up:' || n,
    jsonb_build_object('line', 'L-' || n), now() - n * interval '1 minute', 'GHS', 1000 + n, 2000 + 3 * n,
    'made-up-' || n, current_date - (2 + n %% 60), CASE WHEN closed THEN now() END, CASE WHEN closed THEN 'books' END,
    CASE WHEN closed THEN 'the books agree' END
FROM (SELECT n, n %% 2 = 0 AS closed FROM generate_series(1, %(many)s / 2) n) AS made

-- name: notes
INSERT INTO discrepancy_notes (number, by_whom, deed, text)
SELECT id, 'ann', 'comment', 'asked them' FROM discrepancies, generate_series(1, 2)

-- name: cleared_alerts
INSERT INTO alerts (name, subject, raised_at, figures, cleared_at)
SELECT 'payment_parked', 'mtn', now() - n * interval '1 minute', '{"payments": 3}', now() - n * interval '30 s'
FROM generate_series(1, %(many)s) n

-- name: alerts
INSERT INTO alerts (name, subject, figures)
SELECT name, subject, '{"payments": 3}' FROM unnest(ARRAY['payment_parked', 'lane_halted', 'lane_paused']) name,
    unnest(ARRAY['ubill', 'mtn', 'billcenter']) subject

-- name: audit
INSERT INTO audit (number, at, by_whom, action, subject, content, previous, hash)
SELECT n, now() - (%(many)s - n) * interval '1 minute', 'ann', 'payment.resolved', 'shop/ord-' || n,
    '{"action": "succeeded"}', CASE WHEN n > 1 THEN sha256((n - 1)::text::bytea) END, sha256(n::text::bytea)
FROM generate_series(1, %(many)s) n

-- name: jobs
INSERT INTO job_runs (job, slot, state, attempts, started_at, finished_at, outcome)
SELECT 'retention', now() - n * interval '1 minute', 'done', 1, now(), now(), 'nothing was to be done'
FROM generate_series(1, %(many)s) n

-- name: accounts
INSERT INTO bank_accounts (provider, service, khut_type, account, bank_code, bank_name, change)
SELECT 'billcenter', (n / 2)::text, '', 'made-up-' || n, '050000', 'A Bank',
    CASE WHEN n %% 40 = 0 THEN 'added' ELSE 'first' END
FROM generate_series(1, %(many)s) n

-- name: webhooks
INSERT INTO webhooks (source, url, created_by, position, failures, failure)
SELECT source, 'https://hooks.example/settlepipe', 'ann', 0, 3, 'HTTP 500'
FROM unnest(ARRAY['shop', 'bank', 'wallet']) source

-- name: waiting_events
INSERT INTO webhook_waiting (webhook_id, event, subject, tries, failed_since)
SELECT id, e.event, 'shop/ord-' || e.event, 3, now() FROM webhooks w, generate_series(1, %(many)s / 10) e(event)

-- name: proposals
INSERT INTO proposals (kind, subject, asked, seen, reason, proposed_by, ends_at, state, ended_at, ended_by)
SELECT 'resolve', 'shop/ord-' || n, '{"answer": "refused"}',
    '{"books": {"lines": [], "verdict": "inconclusive", "detail": "lines that may be it"}}', 'their letter', 'ann',
    now() + interval '3 days', CASE WHEN open THEN 'open' ELSE 'rejected' END, CASE WHEN NOT open THEN now() END,
    CASE WHEN NOT open THEN 'bob' END
FROM (SELECT n, n %% 10 = 0 AS open FROM generate_series(1, %(many)s / 20) n) AS made

-- Rows as the product leaves them, made of their number n alone: 1 to %(finished)s are finished, those behind them wait.
-- All of it is made up. Binary COPY reads them, so each column has its type.

-- name: events
-- Two of each but of one that was not sent yet. Without what they tell: nothing that is measured reads it.
SELECT 2 * n - 2 + number AS id, n AS payment_id, n || '-' || number AS event_id,
    'settlepipe.payment.' || CASE WHEN number = 1 THEN 'accepted' WHEN n <= %(finished)s THEN 'succeeded'
        ELSE 'unknown' END AS type,
    (ARRAY['shop', 'bank', 'wallet'])[n %% 3 + 1] || '/' || md5('intent-' || n)::uuid AS subject, '{}'::json AS data,
    %(now)s::timestamptz - interval '1 hour' - (%(all)s - n) * %(apart)s::interval AS created_at
FROM generate_series(1::bigint, %(all)s) n,
    LATERAL generate_series(1, CASE WHEN n <= %(finished)s OR n %% 10 < 2 THEN 2 ELSE 1 END) number

-- name: attempts
SELECT n AS payment_id, 1::integer AS number, at AS started_at, at + interval '1 minute' AS lease_until,
    at + interval '0.1 s' AS ended_at, 4001714564355514624::bigint + n / 100000 AS worker_key,
    sha256(n::text::bytea) AS body_sha256, CASE WHEN done THEN 'succeeded' ELSE 'resend' END AS meaning,
    CASE WHEN done THEN 'ok_object' ELSE 'server_error' END AS kind,
    CASE WHEN done THEN 200 ELSE 500 END::integer AS http_status, NULL::text AS detail, false AS refusal,
    CASE WHEN done THEN jsonb_build_object('id', n, 'amount', '99999999.00', 'status', 'PARTIALLY_PAID', 'updated_at',
        '2026-11-21T03:24:12.133606Z', 'amount_paid', '100.00') END AS facts, md5('token-' || n / 5)::uuid AS token
FROM (SELECT n, n <= %(finished)s AS done,
        %(now)s::timestamptz - interval '1 hour' - (%(all)s - n) * %(apart)s::interval AS at
      FROM generate_series(1::bigint, %(all)s) n) AS made
WHERE done OR n %% 10 NOT BETWEEN 7 AND 9

-- name: payments
-- Of ten that wait two are to be looked at, five to be sent again, three were not sent yet. What a run lasts, and what the
-- product takes for a clock that ran ahead, lie on either side of when they are due.
SELECT n AS id, (ARRAY['shop', 'bank', 'wallet'])[n %% 3 + 1] AS source, md5('intent-' || n)::uuid::text AS intent_id,
    'billcenter'::text AS provider, 'settle'::text AS operation, 10000::bigint AS amount_minor, 'MNT'::text AS currency,
    2::smallint AS places, at - interval '10 s' AS paid_at,
    jsonb_build_object('bank_code', '50004', 'invoice_code', invoice, 'bs_customer_code', '543210', 'biller_service_id',
        140) AS target,
    at AS created_at, state::text, CASE WHEN state = 'waiting' THEN 'HTTP 500' END AS detail,
    (state <> 'accepted')::integer AS attempts, state IN ('waiting', 'unknown') AS in_doubt,
    state <> 'accepted' AS possibly_sent,
    CASE WHEN state <> 'succeeded' THEN %(now)s::timestamptz + interval '4 hours' + n * 7919 %% 50000 * interval '1 s' END
        AS due_at,
    CASE WHEN state <> 'accepted' THEN at + interval '3 days' END AS deadline, true AS resend_safe,
    reference AS sent_reference, '/api/third_party/settle_payment/'::text AS path, body, sha256(body) AS body_sha256,
    'billcenter:' || invoice AS exclusive_key,
    CASE WHEN state IN ('succeeded', 'unknown') THEN 2 ELSE 1 END::integer AS event_seq,
    CASE WHEN state = 'succeeded' THEN at + interval '1 s' END AS finished_at
FROM (SELECT *, convert_to('{"bank_code":"50004","bank_account":"9001400001","invoice_code":"' || invoice
        || '","payment_id":"' || reference || '","payment_invoice_code":"' || reference || '","bs_customer_code":'
        || '"543210","paid_amount":"100.00","paid_date":"2026-11-21 03:24:12.133606+00"}', 'UTF8') AS body
    FROM (SELECT n, left(md5('invoice-' || n), 16) AS invoice, left(md5('reference-' || n), 20) AS reference,
            %(now)s::timestamptz - interval '1 hour' - (%(all)s - n) * %(apart)s::interval AS at,
            CASE WHEN n <= %(finished)s THEN 'succeeded' WHEN n %% 10 < 2 THEN 'unknown' WHEN n %% 10 < 7 THEN 'waiting'
                ELSE 'accepted' END AS state
          FROM generate_series(1::bigint, %(all)s) n) AS named) AS made

-- name: intent_keys
SELECT (ARRAY['shop', 'bank', 'wallet'])[n %% 3 + 1] AS source, md5('intent-' || n)::uuid::text AS intent_id,
    sha256(n::text::bytea) AS digest, n AS payment_id
FROM generate_series(1::bigint, %(all)s) n

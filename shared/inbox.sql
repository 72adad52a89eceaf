-- name: waiting
-- Everything that only a person ends, in one snapshot. `number` is how the command names it; `places` are the
-- currency's, or null where they were not kept with the sum; `payment` is a parked one's id.
-- Of what may be very much only the first `most` are taken, in the order of all, before anything is joined to them:
-- payments, follow-ups and quarantine by indexes in that order: payments_parked_at, payments_parked_sum,
-- payments_undecided_at, payments_undecided_sum, follow_ups_parked, quarantine_first_seen.
SELECT kind, provider, subject, number, utc_text(since) AS since, extract(epoch FROM clock() - since)::bigint AS age_s,
    amount_minor, round(amount_minor / power(10::numeric, places), places)::text AS amount, currency, reason, target,
    payment
FROM (
    SELECT 'store' AS kind, NULL AS provider, NULL AS subject, NULL::text AS number, s.held_at AS since,
        NULL::numeric AS amount_minor, NULL AS currency, NULL::smallint AS places, s.held_reason AS reason,
        NULL::jsonb AS target, NULL::bigint AS payment
    FROM store s WHERE s.held_at IS NOT NULL
    UNION ALL
    SELECT 'lane', l.provider, l.provider, l.provider, coalesce(l.halted_at, l.paused_at), NULL, NULL, NULL,
        concat_ws('; ', CASE WHEN l.paused_at IS NOT NULL THEN 'paused by ' || coalesce(l.paused_by, 'somebody') END,
            CASE WHEN l.halted_at IS NOT NULL THEN 'halted: ' || coalesce(l.halted_reason, 'no reason was kept') END,
            CASE WHEN l.open_until IS NOT NULL THEN 'the breaker is open' END), NULL, NULL
    FROM lanes l WHERE l.halted_at IS NOT NULL OR l.paused_at IS NOT NULL
    UNION ALL
    (SELECT 'payment', p.provider, p.source || '/' || p.intent_id, p.source || '/' || p.intent_id, p.parked_at,
        p.amount_minor, p.currency, p.places, p.detail, p.target, p.id
    FROM payments p
    WHERE p.state = 'parked' AND NOT %(by_money)s AND (%(kind)s::text IS NULL OR %(kind)s = 'payment')
        AND (%(provider)s::text IS NULL OR p.provider = %(provider)s)
    ORDER BY p.parked_at, p.source || '/' || p.intent_id LIMIT %(most)s)
    UNION ALL
    (SELECT 'payment', p.provider, p.source || '/' || p.intent_id, p.source || '/' || p.intent_id, p.parked_at,
        p.amount_minor, p.currency, p.places, p.detail, p.target, p.id
    FROM payments p
    WHERE p.state = 'parked' AND %(by_money)s AND (%(kind)s::text IS NULL OR %(kind)s = 'payment')
        AND (%(provider)s::text IS NULL OR p.provider = %(provider)s)
    ORDER BY p.currency, p.amount_minor DESC NULLS LAST, p.parked_at, p.source || '/' || p.intent_id LIMIT %(most)s)
    UNION ALL
    (SELECT 'hold', p.provider, p.source || '/' || p.intent_id, p.source || '/' || p.intent_id, p.created_at,
        p.amount_minor, p.currency, p.places, p.hold_reason || coalesce(': ' || p.detail, ''), p.target, NULL
    FROM payments p
    WHERE p.hold_reason IN ('ambiguous_account', 'account_unconfirmed') AND NOT %(by_money)s
        AND (%(kind)s::text IS NULL OR %(kind)s = 'hold') AND (%(provider)s::text IS NULL OR p.provider = %(provider)s)
    ORDER BY p.created_at, p.source || '/' || p.intent_id LIMIT %(most)s)
    UNION ALL
    (SELECT 'hold', p.provider, p.source || '/' || p.intent_id, p.source || '/' || p.intent_id, p.created_at,
        p.amount_minor, p.currency, p.places, p.hold_reason || coalesce(': ' || p.detail, ''), p.target, NULL
    FROM payments p
    WHERE p.hold_reason IN ('ambiguous_account', 'account_unconfirmed') AND %(by_money)s
        AND (%(kind)s::text IS NULL OR %(kind)s = 'hold') AND (%(provider)s::text IS NULL OR p.provider = %(provider)s)
    ORDER BY p.currency, p.amount_minor DESC NULLS LAST, p.created_at, p.source || '/' || p.intent_id LIMIT %(most)s)
    UNION ALL
    (SELECT f.kind, f.provider, p.source || '/' || p.intent_id, p.source || '/' || p.intent_id, f.asked_at,
        p.amount_minor, p.currency, p.places, f.detail, NULL, NULL
    FROM follow_ups f JOIN payments p ON p.id = f.payment_id
    WHERE f.state = 'parked' AND NOT %(by_money)s AND (%(kind)s::text IS NULL OR f.kind = %(kind)s)
        AND (%(provider)s::text IS NULL OR f.provider = %(provider)s)
    ORDER BY f.asked_at, f.kind, p.source || '/' || p.intent_id LIMIT %(most)s)
    UNION ALL
    SELECT f.kind, f.provider, p.source || '/' || p.intent_id, p.source || '/' || p.intent_id, f.asked_at,
        p.amount_minor, p.currency, p.places, f.detail, NULL, NULL
    FROM follow_ups f JOIN payments p ON p.id = f.payment_id WHERE f.state = 'parked' AND %(by_money)s
        AND (%(kind)s::text IS NULL OR f.kind = %(kind)s)
    UNION ALL
    SELECT 'account', a.provider, a.service, a.account, a.since, NULL, NULL, NULL,
        'the account ' || CASE a.change WHEN 'added' THEN 'is new beside another' ELSE 'changed' END,
        jsonb_strip_nulls(jsonb_build_object('account', a.account, 'bank_code', nullif(a.bank_code, ''),
            'khut_type', nullif(a.khut_type, ''), 'bank_name', nullif(a.bank_name, ''))), NULL
    FROM bank_accounts a WHERE a.to_confirm AND a.closed_at IS NULL
    UNION ALL
    (SELECT 'quarantine', NULL, q.subject, q.id::text, q.first_seen, NULL, NULL, NULL, q.reason, NULL, NULL
    FROM quarantine_waiting q WHERE %(kind)s::text IS NULL OR %(kind)s = 'quarantine'
    ORDER BY q.first_seen, q.id::text LIMIT %(most)s)
    UNION ALL
    SELECT 'proposal', NULL, r.subject, r.id::text, r.proposed_at, NULL, NULL, NULL,
        r.kind || ', proposed by ' || r.proposed_by || ': ' || r.reason, NULL, NULL
    FROM proposals r WHERE r.state = 'open' AND r.ends_at > clock()
    UNION ALL
    SELECT 'day', split_part(a.subject, '/', 1), split_part(a.subject, '/', 2),
        concat_ws(' ', a.subject, a.figures ->> 'next', a.figures ->> 'books'), a.raised_at, NULL, NULL, NULL,
        'changed since it was signed: to be ' || (a.figures ->> 'next') || ' again', NULL, NULL
    FROM alerts a WHERE a.name = 'signed_day_changed' AND a.cleared_at IS NULL
    UNION ALL
    SELECT 'discrepancy', d.provider, coalesce((SELECT p.source || '/' || p.intent_id FROM payments p
                WHERE p.id = d.payment_id), (SELECT p.source || '/' || p.intent_id FROM archive.payments p
                WHERE p.id = d.payment_id), d.account), d.id::text, d.first_seen, d.sum, d.currency, NULL, d.category,
        NULL, NULL
    FROM (SELECT o.*, abs(o.provider_minor - o.local_minor) AS sum FROM discrepancies o
        WHERE o.resolved_at IS NULL AND (%(kind)s::text IS NULL OR %(kind)s = 'discrepancy')
            AND (%(provider)s::text IS NULL OR o.provider = %(provider)s)
        ORDER BY CASE WHEN %(by_money)s THEN o.currency END,
            CASE WHEN %(by_money)s THEN abs(o.provider_minor - o.local_minor) END DESC NULLS LAST, o.first_seen, o.id::text
        LIMIT %(most)s) AS d
) AS waiting
WHERE (%(kind)s::text IS NULL OR kind = %(kind)s) AND (%(provider)s::text IS NULL OR provider = %(provider)s)
ORDER BY kind <> 'store', CASE WHEN %(by_money)s THEN currency END,
    CASE WHEN %(by_money)s THEN amount_minor END DESC NULLS LAST, waiting.since, kind, number
LIMIT %(limit)s OFFSET %(skip)s

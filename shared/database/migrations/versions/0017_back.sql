DROP VIEW quarantine_waiting;
DROP TABLE dismissals;
DROP FUNCTION refuse_rewriting();
CREATE OR REPLACE FUNCTION payment_row(p payments) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'source', p.source, 'intent_id', p.intent_id, 'provider', p.provider, 'operation', p.operation,
        'amount', round(p.amount_minor / power(10::numeric, p.places), p.places)::text,
        'currency', p.currency, 'state', p.state, 'hold_reason', p.hold_reason, 'attempts', p.attempts,
        'sent_reference', p.sent_reference, 'provider_reference', p.provider_reference, 'detail', p.detail,
        'request_sha256', encode(p.body_sha256, 'hex'), 'refund_of', p.refund_of,
        'paid_at', utc_text(p.paid_at), 'created_at', utc_text(p.created_at), 'finished_at', utc_text(p.finished_at))
$$;
CREATE OR REPLACE FUNCTION follow(p payments, told integer, lost boolean) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    reason text := 'it may have been asked for in the time that the database lost';
    f record;
    n integer := 0;
BEGIN
    FOR f IN
        SELECT 'receipt' AS kind, p.provider AS provider, 'parked' AS ended WHERE p.receipt IS NOT NULL
        UNION ALL  -- whichever provider was paid, messages go through ubill
        SELECT 'sms', 'ubill', 'refused' WHERE p.notify ->> 'sms' IS NOT NULL
    LOOP
        INSERT INTO follow_ups (payment_id, kind, provider, state, due_at, detail, finished_at)
        VALUES (p.id, f.kind, f.provider, CASE WHEN lost THEN f.ended ELSE 'waiting' END,
                CASE WHEN NOT lost THEN clock() END, CASE WHEN lost THEN reason END,
                CASE WHEN lost AND f.ended = 'refused' THEN clock() END)
        ON CONFLICT DO NOTHING;
        IF lost AND FOUND THEN
            n := n + 1;
            INSERT INTO events (payment_id, event_id, type, subject, data)
            VALUES (p.id, event_name(p.id || '-' || (told + n)), 'settlepipe.' || f.kind || '.' || f.ended,
                    p.source || '/' || p.intent_id, json_build_object('source', p.source, 'intent_id', p.intent_id,
                    'state', f.ended, 'detail', reason, 'answer', NULL));
        END IF;
    END LOOP;
    RETURN n;
END $$;
ALTER TABLE quarantine DROP COLUMN code;
ALTER TABLE archive.follow_ups DROP COLUMN code;
ALTER TABLE follow_ups DROP COLUMN code;
ALTER TABLE archive.payments DROP COLUMN code, DROP COLUMN traceparent;
ALTER TABLE payments DROP COLUMN code, DROP COLUMN traceparent;
DROP TABLE alerts_told;

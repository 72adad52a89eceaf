DROP TRIGGER a_legal ON payments;
CREATE TRIGGER a_legal BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND OLD.state || '>' || NEW.state <> ALL (ARRAY[
        'accepted>dispatched', 'accepted>refused', 'accepted>cancelled', 'accepted>succeeded',
        'dispatched>sending', 'dispatched>unknown', 'dispatched>cancelled', 'dispatched>succeeded',
        'sending>succeeded', 'sending>refused', 'sending>waiting', 'sending>unknown',
        'waiting>dispatched', 'waiting>unknown', 'waiting>parked', 'waiting>cancelled', 'waiting>succeeded',
        'unknown>sending', 'unknown>waiting', 'unknown>refused', 'unknown>parked', 'unknown>succeeded',
        'parked>succeeded', 'parked>refused', 'parked>waiting', 'parked>unknown'])
        OR NEW.state = 'cancelled' AND OLD.possibly_sent
        OR OLD.body IS NOT NULL AND OLD.attempts > 0 AND (NEW.body, NEW.path) IS DISTINCT FROM (OLD.body, OLD.path)
        OR (NEW.id, NEW.source, NEW.intent_id, NEW.provider, NEW.operation, NEW.amount_minor, NEW.currency,
            NEW.sent_reference) IS DISTINCT FROM
           (OLD.id, OLD.source, OLD.intent_id, OLD.provider, OLD.operation, OLD.amount_minor, OLD.currency,
            OLD.sent_reference))
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE FUNCTION payment_accepted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (payment_id, event_id, type, subject, data)
    VALUES (NEW.id, NEW.id || '-1', 'settlepipe.payment.accepted', NEW.source || '/' || NEW.intent_id,
            payment_row(NEW));
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION payment_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.event_seq := OLD.event_seq + 1;
    IF NEW.state IN ('succeeded', 'refused', 'cancelled') THEN
        NEW.finished_at := clock();
        NEW.due_at := NULL;
        NEW.hold_reason := NULL;
        IF NEW.exclusive_key IS NOT NULL THEN  -- let the next one with this key go
            -- one that somebody is changing is passed over: whoever waited would find it changed; the sweep finds it
            UPDATE payments SET hold_reason = NULL, detail = NULL, due_at = clock()
            WHERE id = (SELECT id FROM payments WHERE exclusive_key = NEW.exclusive_key AND id <> NEW.id
                        AND hold_reason = 'invoice_busy' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);
        END IF;
        IF NEW.state = 'succeeded' AND NEW.operation = 'settle' THEN
            IF NEW.receipt IS NOT NULL THEN
                INSERT INTO follow_ups (payment_id, kind, provider) VALUES (NEW.id, 'receipt', NEW.provider)
                ON CONFLICT DO NOTHING;
            END IF;
            IF NEW.notify ->> 'sms' IS NOT NULL THEN  -- whichever provider was paid, messages go through ubill
                INSERT INTO follow_ups (payment_id, kind, provider) VALUES (NEW.id, 'sms', 'ubill')
                ON CONFLICT DO NOTHING;
            END IF;
        END IF;
    END IF;
    INSERT INTO events (payment_id, event_id, type, subject, data)
    VALUES (NEW.id, NEW.id || '-' || NEW.event_seq, 'settlepipe.payment.' || NEW.state,
            NEW.source || '/' || NEW.intent_id, payment_row(NEW));
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION ever_doubtful(payment bigint, but integer) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM attempts WHERE payment_id = payment AND number <> but
                   AND (ended_at IS NULL OR meaning NOT IN ('not_sent', 'reauth')))
$$;
CREATE OR REPLACE FUNCTION ever_sent(payment bigint, but integer) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM attempts WHERE payment_id = payment AND number <> but
                   AND (ended_at IS NULL OR meaning <> 'not_sent'))
$$;
DELETE FROM attempts WHERE number = 0;
DELETE FROM archive.attempts WHERE number = 0;
ALTER TABLE attempts ALTER body_sha256 SET NOT NULL;
ALTER TABLE archive.attempts ALTER body_sha256 SET NOT NULL;
ALTER TABLE payments DROP COLUMN stream_event;
ALTER TABLE archive.payments DROP COLUMN stream_event;
ALTER TABLE intent_keys ALTER digest SET NOT NULL;
DROP FUNCTION follow(payments, integer, boolean), event_name(text), event_names(text), whereabouts(), written(),
    store_open(integer, bigint, text, bigint);
DROP TABLE lost_payments, lost_times, store;

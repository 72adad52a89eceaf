-- What is known of an attempt decides what may be sent after it, for as long as the payment lives: not only what the
-- last check said.

-- Written with the claim: whoever lost the claim's answer ends this attempt as not sent, and no other.
ALTER TABLE attempts ADD COLUMN token uuid;
ALTER TABLE archive.attempts ADD COLUMN token uuid;

-- A log-in that is refused comes before the first byte.
UPDATE attempts a SET meaning = 'not_sent' FROM payments p
WHERE p.id = a.payment_id AND p.finished_at IS NULL AND p.attempts > 0 AND a.kind = 'login_refused';

-- May another attempt than this one have been applied? A 401 was stopped at the door.
CREATE FUNCTION ever_doubtful(payment bigint, but integer) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM attempts WHERE payment_id = payment AND number <> but
                   AND (ended_at IS NULL OR meaning NOT IN ('not_sent', 'reauth')))
$$;
-- Did another attempt than this one perhaps write a byte?
CREATE FUNCTION ever_sent(payment bigint, but integer) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM attempts WHERE payment_id = payment AND number <> but
                   AND (ended_at IS NULL OR meaning <> 'not_sent'))
$$;

-- A follow-up that is claimed, and nothing was asked for yet.
ALTER TABLE follow_ups ADD COLUMN unasked boolean NOT NULL DEFAULT false;
ALTER TABLE archive.follow_ups ADD COLUMN unasked boolean NOT NULL DEFAULT false;

-- What a send was refused, a read of the books says nothing about.
ALTER TABLE lanes ADD COLUMN halted_by_send boolean NOT NULL DEFAULT false;
-- The one follow-up that a stopped lane lets through when no payment is due.
ALTER TABLE lanes ADD COLUMN probe_follow_up_id bigint;

CREATE OR REPLACE FUNCTION lane_stops() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE runs boolean := NEW.paused_at IS NULL AND NEW.halted_at IS NULL AND NEW.open_until IS NULL;
BEGIN
    NEW.halted_by_send := NEW.halted_by_send AND NEW.halted_at IS NOT NULL;
    IF runs AND OLD.stopped_at IS NOT NULL THEN
        NEW.stopped_for := OLD.stopped_for + (clock() - OLD.stopped_at);
        NEW.stopped_at := NULL;
        NEW.probe_payment_id := NULL;
        NEW.probe_follow_up_id := NULL;
        NEW.resumed := true;
    ELSIF NOT runs AND OLD.stopped_at IS NULL THEN
        NEW.stopped_at := clock();
    END IF;
    RETURN NEW;
END $$;

-- Three more: what was surely never sent needs no check; what may be applied is looked at before it is sent.
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

-- What follows a success and never changes its payment: a VAT receipt, a text message.
CREATE TABLE follow_ups (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id  bigint NOT NULL REFERENCES payments,
    kind        text NOT NULL CHECK (kind IN ('receipt', 'sms')),
    provider    text NOT NULL,                 -- whose lane it goes through: not always the payment's
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'dispatched', 'sending', 'issued',
                    'refused', 'parked')),
    attempts    integer NOT NULL DEFAULT 0,
    asked_at    timestamptz NOT NULL DEFAULT clock(),  -- by the payment's success, or by a person again
    due_at      timestamptz DEFAULT clock(),   -- as in payments
    path        text,
    body        bytea,
    body_sha256 bytea CHECK (body_sha256 = sha256(body)),
    detail      text,
    answer      jsonb,
    reference   text,                          -- the provider's own id of it
    delivery    text CHECK (delivery IN ('delivered', 'undelivered')),  -- of a message, once it has been told
    finished_at timestamptz,
    UNIQUE (payment_id, kind)
);
CREATE INDEX follow_ups_due ON follow_ups (provider, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX follow_ups_undelivered ON follow_ups (reference) WHERE kind = 'sms' AND delivery IS NULL;

INSERT INTO follow_ups (payment_id, kind, provider, state, attempts, asked_at, due_at, path, body, body_sha256, detail,
    answer, finished_at)
SELECT r.payment_id, 'receipt', r.provider, r.state, r.attempts, coalesce(p.finished_at, clock()), r.due_at, r.path,
    r.body, r.body_sha256, r.detail, r.answer, r.finished_at
FROM receipts r JOIN payments p ON p.id = r.payment_id ORDER BY r.payment_id;
DROP TABLE receipts;

-- What is told of each number of a sent message. Kept also when our own record of the sending is still to come.
CREATE TABLE sms_reports (
    sms_id      text NOT NULL,
    number      text NOT NULL,
    status      smallint NOT NULL CHECK (status BETWEEN 0 AND 4),
    final       boolean GENERATED ALWAYS AS (status IN (1, 2, 4)) STORED,
    reported_at timestamptz NOT NULL,          -- by the provider's clock, or when we asked
    received_at timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (sms_id, number)
);

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

-- What was sent of an alert, by each way: a lease while somebody sends, and what was told last.
CREATE TABLE alerts_told (
    alert_id        bigint NOT NULL REFERENCES alerts ON DELETE CASCADE,
    way             text NOT NULL CHECK (way IN ('webhook', 'alertmanager', 'mail')),
    attempts        integer NOT NULL,      -- takings; the last one's number fences what is noted of it
    tries           integer NOT NULL,      -- of them, since something was told last
    tried_since     timestamptz,           -- the first of those
    due_at          timestamptz,           -- while somebody sends: the lease's end; after a failure: not before this
    told_at         timestamptz,           -- that it stands, last
    told_number     bigint,                -- and how many (payments, entries, discrepancies) it was about then
    cleared_told_at timestamptz,           -- that it ended
    failure         text,                  -- why the last sending failed
    PRIMARY KEY (alert_id, way)
);
CREATE INDEX alerts_told_open ON alerts_told (way, alert_id) WHERE cleared_told_at IS NULL;

-- The code beside a text (shared/domain/codes.py); none where nothing has to be said, and of what was before.
ALTER TABLE payments ADD COLUMN code text, ADD COLUMN traceparent text;
ALTER TABLE archive.payments ADD COLUMN code text, ADD COLUMN traceparent text;
ALTER TABLE follow_ups ADD COLUMN code text;
ALTER TABLE archive.follow_ups ADD COLUMN code text;
ALTER TABLE quarantine ADD COLUMN code text;

CREATE OR REPLACE FUNCTION payment_row(p payments) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'source', p.source, 'intent_id', p.intent_id, 'provider', p.provider, 'operation', p.operation,
        'amount', round(p.amount_minor / power(10::numeric, p.places), p.places)::text,
        'currency', p.currency, 'state', p.state, 'hold_reason', p.hold_reason, 'attempts', p.attempts,
        'sent_reference', p.sent_reference, 'provider_reference', p.provider_reference, 'detail', p.detail,
        'request_sha256', encode(p.body_sha256, 'hex'), 'refund_of', p.refund_of,
        'paid_at', utc_text(p.paid_at), 'created_at', utc_text(p.created_at), 'finished_at', utc_text(p.finished_at),
        'code', coalesce(p.hold_reason, p.code), 'target', p.target, 'metadata', p.metadata)
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
        INSERT INTO follow_ups (payment_id, kind, provider, state, due_at, detail, code, finished_at)
        VALUES (p.id, f.kind, f.provider, CASE WHEN lost THEN f.ended ELSE 'waiting' END,
                CASE WHEN NOT lost THEN clock() END, CASE WHEN lost THEN reason END,
                CASE WHEN lost THEN 'outcome_lost' END, CASE WHEN lost AND f.ended = 'refused' THEN clock() END)
        ON CONFLICT DO NOTHING;
        IF lost AND FOUND THEN
            n := n + 1;
            INSERT INTO events (payment_id, event_id, type, subject, data)
            VALUES (p.id, event_name(p.id || '-' || (told + n)), 'settlepipe.' || f.kind || '.' || f.ended,
                    p.source || '/' || p.intent_id, json_build_object('source', p.source, 'intent_id', p.intent_id,
                    'state', f.ended, 'detail', reason, 'answer', NULL, 'code', 'outcome_lost'));
        END IF;
    END LOOP;
    RETURN n;
END $$;

-- That nothing is to come of an entry in quarantine, and why. Kept for ever, also when the entry is forgotten.
CREATE TABLE dismissals (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    quarantine_id bigint NOT NULL,
    sha256        bytea NOT NULL,          -- of the entry, and what it said
    subject       text,
    why           text NOT NULL,           -- it was in quarantine
    reason        text NOT NULL,           -- of the person
    by_whom       text NOT NULL,
    dismissed_at  timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX dismissals_entry ON dismissals (quarantine_id);
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was recorded in % is neither changed nor deleted', TG_TABLE_NAME
        USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON dismissals FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();

-- What in quarantine a person has to look at: nobody replayed or dismissed it since it came last.
CREATE VIEW quarantine_waiting AS
SELECT q.* FROM quarantine q WHERE (q.replayed_at IS NULL OR q.last_seen > q.replayed_at)
    AND NOT EXISTS (SELECT FROM dismissals d WHERE d.quarantine_id = q.id AND d.dismissed_at >= q.last_seen);

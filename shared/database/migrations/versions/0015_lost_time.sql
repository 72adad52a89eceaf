-- One row about the store itself: which database this is, how far it has come, and whether it is held because it lost
-- time. Others keep copies of it (shared/witness.py): a database that comes back older than they are has lost time.
CREATE TABLE store (
    one             boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch           integer NOT NULL DEFAULT 0,  -- grows with each recovery
    beat            bigint NOT NULL DEFAULT 0,   -- grows each second
    beat_at         timestamptz NOT NULL DEFAULT clock(),
    installation    uuid,                        -- both are none until a process has looked at it once:
    lives_at        text,                        -- its server, timeline and database
    key_fingerprint text,                        -- of the key that references are made with; none: none was made yet
    derived_since   timestamptz,                 -- when the first reference was made with it: older ones were drawn
    held_at         timestamptz,                 -- it lost time: nothing goes on until `settlepipe recover`
    held_reason     text,
    CHECK ((held_at IS NULL) = (held_reason IS NULL)),
    CHECK ((installation IS NULL) = (lives_at IS NULL)),
    CHECK ((key_fingerprint IS NULL) = (derived_since IS NULL))
);
INSERT INTO store DEFAULT VALUES;

-- How much this server has written and will keep, in bytes.
CREATE FUNCTION written() RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint $$;

-- The server, its timeline (another one after a fail-over, and after a restore to a moment) and the database.
CREATE FUNCTION whereabouts() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT (SELECT system_identifier FROM pg_control_system())
        || '/' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8)
        || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
$$;

-- May the flow go on? Not while the store is held; nor where this is not the database that it was, or is older than
-- what the process that asks has seen of it: then somebody has to judge, and it will be held, or a window is opened.
CREATE FUNCTION store_open(seen_epoch integer, seen_beat bigint, seen_lives_at text, seen_written bigint)
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE s store;
BEGIN
    SELECT * INTO s FROM store;
    RETURN s.held_at IS NULL AND (s.lives_at IS NULL OR s.lives_at = whereabouts())
        AND (s.epoch, s.beat) >= (seen_epoch, CASE WHEN s.epoch = seen_epoch THEN seen_beat ELSE 0 END)
        AND (seen_lives_at IS DISTINCT FROM s.lives_at OR written() >= seen_written);
END $$;

-- A time that the database lost, and the window after it: while it is open, what was not final then, and whatever is
-- accepted, counts as possibly sent.
CREATE TABLE lost_times (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    epoch      integer NOT NULL,
    since      timestamptz NOT NULL,       -- the last moment of which this database knows everything
    opened_at  timestamptz NOT NULL DEFAULT clock(),
    sent_until timestamptz NOT NULL,       -- by then no request of before is on the wire any more
    closes_at  timestamptz NOT NULL,
    closed_at  timestamptz,
    closed_by  text,
    by_whom    text,                       -- none: a fail-over that nothing was seen to be lost in
    reason     text NOT NULL,
    unbroken   boolean NOT NULL,           -- the events stream told all that upstream was told in that time
    CHECK ((closed_at IS NULL) = (closed_by IS NULL))
);

-- What the events stream shows as accepted in a lost time, and this database lacks: a final one became a payment, any
-- other waits for its intent to come again.
CREATE TABLE lost_payments (
    source     text NOT NULL,
    intent_id  text NOT NULL,
    epoch      integer NOT NULL,
    told       json NOT NULL,              -- its export row, as upstream was told last
    came_at    timestamptz,                -- when its intent came again
    PRIMARY KEY (source, intent_id)
);

-- The number behind it is of one epoch alone; what was created before a recovery keeps its name.
CREATE FUNCTION event_name(name text) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT CASE epoch WHEN 0 THEN name ELSE epoch || '-' || name END FROM store $$;

-- Every name that it may have been given.
CREATE FUNCTION event_names(name text) RETURNS text[] LANGUAGE sql STABLE AS
$$ SELECT array_agg(CASE e WHEN 0 THEN name ELSE e || '-' || name END) FROM store, generate_series(0, epoch) AS e $$;

-- The digest of an intent that only the events stream told of is not known until it comes again.
ALTER TABLE intent_keys ALTER digest DROP NOT NULL;

-- The event on the stream from which a final state was read.
ALTER TABLE payments ADD COLUMN stream_event text;
ALTER TABLE archive.payments ADD COLUMN stream_event text;

-- Attempt 0 stands for what may have been sent in a lost time: nobody knows its bytes.
ALTER TABLE attempts ALTER body_sha256 DROP NOT NULL;
ALTER TABLE archive.attempts ALTER body_sha256 DROP NOT NULL;

-- Another attempt than `but` (0 is one, too).
CREATE OR REPLACE FUNCTION ever_doubtful(payment bigint, but integer) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM attempts WHERE payment_id = payment AND number IS DISTINCT FROM but
                   AND (ended_at IS NULL OR meaning NOT IN ('not_sent', 'reauth')))
$$;
CREATE OR REPLACE FUNCTION ever_sent(payment bigint, but integer) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM attempts WHERE payment_id = payment AND number IS DISTINCT FROM but
                   AND (ended_at IS NULL OR meaning <> 'not_sent'))
$$;

DROP TRIGGER a_legal ON payments;
CREATE TRIGGER a_legal BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (NEW.stream_event IS NOT DISTINCT FROM OLD.stream_event AND (
            OLD.state <> NEW.state AND OLD.state || '>' || NEW.state <> ALL (ARRAY[
            'accepted>dispatched', 'accepted>unknown', 'accepted>refused', 'accepted>cancelled', 'accepted>succeeded',
            'dispatched>sending', 'dispatched>unknown', 'dispatched>cancelled', 'dispatched>succeeded',
            'sending>succeeded', 'sending>refused', 'sending>waiting', 'sending>unknown',
            'waiting>dispatched', 'waiting>unknown', 'waiting>parked', 'waiting>cancelled', 'waiting>succeeded',
            'unknown>sending', 'unknown>waiting', 'unknown>refused', 'unknown>parked', 'unknown>succeeded',
            'parked>succeeded', 'parked>refused', 'parked>waiting', 'parked>unknown'])
            OR NEW.state = 'cancelled' AND OLD.possibly_sent)
        -- what upstream was told before the database lost it
        OR NEW.stream_event IS DISTINCT FROM OLD.stream_event AND (OLD.state IN ('succeeded', 'refused', 'cancelled')
            OR NEW.state NOT IN ('succeeded', 'refused', 'cancelled'))
        OR OLD.body IS NOT NULL AND OLD.attempts > 0 AND (NEW.body, NEW.path) IS DISTINCT FROM (OLD.body, OLD.path)
        OR (NEW.id, NEW.source, NEW.intent_id, NEW.provider, NEW.operation, NEW.amount_minor, NEW.currency,
            NEW.sent_reference) IS DISTINCT FROM
           (OLD.id, OLD.source, OLD.intent_id, OLD.provider, OLD.operation, OLD.amount_minor, OLD.currency,
            OLD.sent_reference))
    EXECUTE FUNCTION refuse_change();

CREATE OR REPLACE FUNCTION payment_accepted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (payment_id, event_id, type, subject, data)
    VALUES (NEW.id, event_name(NEW.id || '-1'), 'settlepipe.payment.accepted', NEW.source || '/' || NEW.intent_id,
            payment_row(NEW));
    RETURN NULL;
END $$;

-- Make what follows a settled payment, a receipt and a message: how many of its events were told with that. In the
-- time that the database lost both may have been asked for: then a receipt is a person's, and no message is sent.
CREATE FUNCTION follow(p payments, told integer, lost boolean) RETURNS integer LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION payment_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state IN ('succeeded', 'refused', 'cancelled') THEN
        NEW.due_at := NULL;
        NEW.hold_reason := NULL;
        IF NEW.exclusive_key IS NOT NULL THEN  -- let the next one with this key go
            -- one that somebody is changing is passed over: whoever waited would find it changed; the sweep finds it
            UPDATE payments SET hold_reason = NULL, detail = NULL, due_at = clock()
            WHERE id = (SELECT id FROM payments WHERE exclusive_key = NEW.exclusive_key AND id <> NEW.id
                        AND hold_reason = 'invoice_busy' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);
        END IF;
    END IF;
    IF NEW.stream_event IS DISTINCT FROM OLD.stream_event THEN  -- upstream knows it, and when it ended
        RETURN NEW;
    END IF;
    NEW.event_seq := OLD.event_seq + 1;
    IF NEW.state IN ('succeeded', 'refused', 'cancelled') THEN
        NEW.finished_at := clock();
    END IF;
    INSERT INTO events (payment_id, event_id, type, subject, data)
    VALUES (NEW.id, event_name(NEW.id || '-' || NEW.event_seq), 'settlepipe.payment.' || NEW.state,
            NEW.source || '/' || NEW.intent_id, payment_row(NEW));
    IF NEW.state = 'succeeded' AND NEW.operation = 'settle' AND (NEW.receipt, NEW.notify) IS DISTINCT FROM (NULL, NULL)
    THEN
        NEW.event_seq := NEW.event_seq + follow(NEW, NEW.event_seq,
            EXISTS (SELECT FROM attempts WHERE payment_id = NEW.id AND number = 0));
    END IF;
    RETURN NEW;
END $$;

-- The database as the migrations leave it, on one sheet: read this first, and a migration for how it came about.
--
-- A document that runs: on an empty database it gives exactly what `settlepipe db upgrade` gives, Alembic's table of
-- versions aside, and tests/integration/test_schema.py says where it doesn't. The product never reads it. Whoever
-- writes a migration writes its change in here as well. (Columns stand in their true order, so what a later migration
-- added is at its table's end: rows move to the archive by `SELECT *`.)
--
--    1 Time               one clock
--    2 Store              which database this is, whether it is held, the times that it lost; which code fits; leases
--    3 Lanes              a row for each provider: limits, breaker, halts; lane time and what a stop does
--    4 Payments           intents' keys, payments, attempts, checks, decisions; who may still be sending
--    5 Transitions        which state may follow which, and what nothing may change
--    6 Events             the outbox, and which step writes which event; webhooks, and how far each is
--    7 Follow-ups         receipts and text messages after a success
--    8 Directory          providers' lists, whose bank account is whose
--    9 Log-ins and facts  tokens, what evidence has shown about a provider
--   10 Jobs               a row for each slot
--   11 Reconciliation     a night's lines and findings, the living list of discrepancies
--   12 Quarantine         what could not be accepted
--   13 Alerts             what people are told stands still
--   14 People             what they did, in a chain; who may decide; what two have to agree on
--   15 Archive            the twins of whatever belongs to a payment
--
-- This is the truth. What must never happen is refused here, whoever asks: an illegal transition, a changed request,
-- an amount that is not above zero, two payments at the provider that its books can't tell apart.


-- 1 Time --------------------------------------------------------------------------------------------------------------

-- All times that decide anything come from this function; tests replace it.
CREATE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT now() $$;

-- A time as programs and people are told it.
CREATE FUNCTION utc_text(t timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;


-- 2 Store -------------------------------------------------------------------------------------------------------------
--
-- A database that comes back older than the world (a restore, a fail-over that lost commits) has forgotten payments
-- that were sent. Then it is held: `store_open` is part of every claim, and of what accepts.

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

-- Which versions of the code can work with this schema: a version is the number of the last migration that the code
-- knows. Migrations write it, processes read it (shared/database/version.py).
CREATE TABLE code_range (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    least text NOT NULL,  -- older code would meet what is no longer there
    most  text NOT NULL,  -- newer code would miss what is not yet there
    CHECK (least <= most)
);
INSERT INTO code_range (least, most) VALUES ('0020', '0020');

-- What one process at a time may do (shared/database/leases.py): relay events, compare a provider's books, log in at
-- one. Its holder renews the row; whoever finds it expired takes it under a higher number.
CREATE TABLE leases (
    name     text PRIMARY KEY,
    number   bigint NOT NULL,           -- fences: what is written under a lower one is refused
    until    timestamptz NOT NULL,
    length_s double precision NOT NULL CHECK (length_s > 0)
);
-- The same numbers in rows that no renewal touches: a transaction locks the one that it writes under until it commits.
CREATE TABLE lease_numbers (
    name   text PRIMARY KEY,
    number bigint NOT NULL
);

-- What a session must be like whose statements claim, accept or let a refund go. Behind a pooler no process sees whose
-- session it gets, so the statement looks itself. The error counts as a database that is away: it is tried again.
CREATE FUNCTION pinned() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE wrong text := CASE
    WHEN current_setting('transaction_isolation') <> 'read committed' THEN 'default_transaction_isolation'
    WHEN current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN 'synchronous_commit'
    WHEN current_setting('session_replication_role') <> 'origin' THEN 'session_replication_role'
    WHEN current_setting('row_security') <> 'off' THEN 'row_security'
    WHEN current_setting('search_path') <> 'public' THEN 'search_path'
    WHEN current_setting('transform_null_equals') <> 'off' THEN 'transform_null_equals'
    WHEN current_setting('standard_conforming_strings') <> 'on' THEN 'standard_conforming_strings'
    WHEN current_setting('client_encoding') <> 'UTF8' THEN 'client_encoding'
    WHEN current_setting('TimeZone') <> 'UTC' THEN 'TimeZone'
    WHEN current_setting('DateStyle') <> 'ISO, MDY' THEN 'DateStyle'
    WHEN current_setting('IntervalStyle') <> 'postgres' THEN 'IntervalStyle'
    WHEN current_setting('bytea_output') <> 'hex' THEN 'bytea_output'
    WHEN current_setting('extra_float_digits')::integer < 1 THEN 'extra_float_digits'
END;
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'a session that the pooler made has % = %; run what `settlepipe db pins` prints, then RECONNECT in'
            ' its console', wrong, current_setting(wrong) USING ERRCODE = 'cannot_connect_now';
    END IF;
    RETURN true;
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


-- 3 Lanes -------------------------------------------------------------------------------------------------------------
--
-- A lane stands still because a person paused it (paused_at), because we are not let in or have no funds (halted_at),
-- or because the circuit breaker opened (open_until). Whoever stops it or sets it going writes one of these, and the
-- trigger does the rest: the lane's clock stops or goes on, a probe is over, what was dispatched is dispatched anew.

-- One lane a provider: limits, rate and circuit breaker hold for the whole fleet because they live here.
CREATE TABLE lanes (
    provider           text PRIMARY KEY,
    paused_at          timestamptz,
    paused_by          text,
    halted_at          timestamptz,
    halted_reason      text,
    failures           integer NOT NULL DEFAULT 0,   -- in a row, of the kind that says the provider is down
    open_until         timestamptz,                  -- set while the circuit breaker is open
    probe_at           timestamptz,                  -- when a halted lane may try one payment
    probe_payment_id   bigint,                       -- the one payment that an open or halted lane lets through
    rate_tokens        double precision NOT NULL DEFAULT 0,
    rate_at            timestamptz NOT NULL DEFAULT now(),
    running            boolean GENERATED ALWAYS AS
                           (paused_at IS NULL AND halted_at IS NULL AND open_until IS NULL) STORED,
    stopped_at         timestamptz,                  -- since when it stands still; none: it runs
    stopped_for        interval NOT NULL DEFAULT '0', -- how long it stood still before that, in all
    -- It begins to run again: what was dispatched before it stood still has lost its messages (workers drop what they
    -- may not claim), and is dispatched anew at the dispatcher's next look, not when its leases end.
    resumed            boolean NOT NULL DEFAULT false,
    -- What a send was refused, a read of the books says nothing about.
    halted_by_send     boolean NOT NULL DEFAULT false,
    -- The one follow-up that a stopped lane lets through when no payment is due.
    probe_follow_up_id bigint
);

-- Deadlines are kept in lane time, which stands still while the lane is stopped.
CREATE FUNCTION lane_clock(l lanes) RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT coalesce(l.stopped_at, clock()) - l.stopped_for $$;

-- `runs` is what `running` will be: PostgreSQL generates that column after the trigger.
CREATE FUNCTION lane_stops() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER lane_stops BEFORE UPDATE OF paused_at, halted_at, open_until ON lanes
    FOR EACH ROW EXECUTE FUNCTION lane_stops();


-- 4 Payments ----------------------------------------------------------------------------------------------------------
--
-- One row a payment, which every step moves, and behind it what happened: each claim for sending is an attempt, each
-- claim for looking a check, each word of a person a resolution. Those are kept as long as the payment is.

-- What tells a repeated intent from a new one. Never purged, never partitioned, and without a foreign key: payments go
-- to the archive.
CREATE TABLE intent_keys (
    source     text NOT NULL,
    intent_id  text NOT NULL,
    digest     bytea CHECK (octet_length(digest) = 32),  -- null: only the events stream told of it, till it comes again
    payment_id bigint NOT NULL,
    PRIMARY KEY (source, intent_id)
);

CREATE SEQUENCE payment_ids;

CREATE TABLE payments (
    -- what was asked for
    id                 bigint PRIMARY KEY,
    source             text NOT NULL,
    intent_id          text NOT NULL,
    provider           text NOT NULL REFERENCES lanes,
    operation          text NOT NULL CHECK (operation IN ('settle', 'refund')),
    amount_minor       bigint NOT NULL CHECK (amount_minor > 0),
    currency           text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    places             smallint NOT NULL CHECK (places BETWEEN 0 AND 4),  -- the currency's, when it was accepted
    paid_at            timestamptz NOT NULL,
    target             jsonb NOT NULL,
    refund_of          text,                         -- the settle's intent_id, of the same source
    settle_id          bigint REFERENCES payments,   -- a refund's settle, once it is final
    receipt            jsonb,
    notify             jsonb,
    metadata           jsonb,
    created_at         timestamptz NOT NULL DEFAULT clock(),

    -- where it stands
    state              text NOT NULL DEFAULT 'accepted' CHECK (state IN ('accepted', 'dispatched', 'sending',
                           'waiting', 'unknown', 'parked', 'succeeded', 'refused', 'cancelled')),
    hold_reason        text,
    detail             text,
    attempts           integer NOT NULL DEFAULT 0,   -- claims; the last one's number is the fencing token
    checks             integer NOT NULL DEFAULT 0,   -- claimed checks; the last one's number fences its outcome
    rung               integer NOT NULL DEFAULT 0,   -- of the ladder of waits between checks
    in_doubt           boolean NOT NULL DEFAULT false, -- an attempt may have been applied, no check ruled it out
    possibly_sent      boolean NOT NULL DEFAULT false, -- some attempt was not provably NOT_SENT
    check_due          boolean NOT NULL DEFAULT false, -- a check was dispatched and nobody has claimed it
    resend_asked       boolean NOT NULL DEFAULT false, -- a person asked to resend: look, then send once
    due_at             timestamptz,                  -- when the dispatcher looks at it: accepted, waiting and
                                                     -- unknown are due then, dispatched and sending lose their lease
    deadline           timestamptz,                  -- in lane time, from the first claim

    -- its request
    resend_safe        boolean NOT NULL DEFAULT false,
    reads_first        boolean NOT NULL DEFAULT false, -- nothing is sent before its baseline is kept
    sent_reference     text NOT NULL UNIQUE,
    provider_reference text,
    path               text,
    body               bytea,
    body_sha256        bytea CHECK (body_sha256 = sha256(body)),
    exclusive_key      text,
    baseline           jsonb,

    event_seq          integer NOT NULL DEFAULT 1,   -- the number of the last event that was written of it
    finished_at        timestamptz,
    -- Payments that stand in one list of their provider's books (an account's payments): a check has to find there
    -- whatever of ours has succeeded.
    books_key          text,
    -- The event on the stream from which a final state was read, after the database had lost it.
    stream_event       text,
    code               text,                         -- that stands beside `detail`: shared/domain/codes.py
    traceparent        text,                         -- W3C's, as it came with the intent; its events carry it
    parked_at          timestamptz,                  -- when it was parked last, as its event says

    CHECK ((operation = 'refund') = (refund_of IS NOT NULL)),
    CHECK ((body IS NULL) = (body_sha256 IS NULL)),
    -- nothing is on its way without a frozen request
    CHECK (state IN ('accepted', 'refused', 'cancelled', 'succeeded') OR body IS NOT NULL),
    CHECK (hold_reason IS NULL OR state = 'accepted'),
    -- nothing is forgotten: what is neither held, a person's nor final is due some time
    CHECK (CASE WHEN state IN ('accepted', 'dispatched', 'sending', 'waiting', 'unknown')
           THEN (hold_reason IS NULL) = (due_at IS NOT NULL) ELSE due_at IS NULL END),
    CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'refused', 'cancelled')))
) WITH (fillfactor = 50);             -- room for each step's version beside the one before: then the log has what changed

CREATE INDEX payments_due ON payments (provider, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX payments_dispatched ON payments (provider, due_at) WHERE state = 'dispatched';
CREATE INDEX payments_held ON payments (hold_reason, id) WHERE hold_reason IS NOT NULL;
CREATE INDEX payments_busy ON payments (exclusive_key, id) WHERE hold_reason = 'invoice_busy';
CREATE INDEX payments_parked ON payments (provider, id) WHERE state = 'parked';
CREATE INDEX payments_key ON payments (exclusive_key) WHERE exclusive_key IS NOT NULL AND state = 'succeeded';
CREATE INDEX payments_refunds ON payments (settle_id) WHERE settle_id IS NOT NULL;
-- At most one payment whose effect can't be told apart may be at the provider.
CREATE UNIQUE INDEX payments_exclusive ON payments (exclusive_key)
    WHERE exclusive_key IS NOT NULL AND state IN ('dispatched', 'sending', 'waiting', 'unknown', 'parked');
CREATE INDEX payments_books_latest ON payments (provider, finished_at)
    WHERE books_key IS NOT NULL AND state = 'succeeded';
CREATE INDEX payments_books ON payments (books_key) WHERE books_key IS NOT NULL AND state = 'succeeded';

CREATE TABLE attempts (
    payment_id  bigint NOT NULL REFERENCES payments,
    number      integer NOT NULL,
    started_at  timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    ended_at    timestamptz,          -- none: the worker died, or its answer was lost
    worker_key  bigint NOT NULL,      -- the session advisory lock that the worker's process holds while it lives
    body_sha256 bytea,                -- null: of attempt 0, which stands for what may have been sent in a lost time
    meaning     text,
    kind        text,
    http_status integer,
    detail      text,
    refusal     boolean NOT NULL DEFAULT false,   -- the provider said no, documented or not
    facts       jsonb,
    -- Written with the claim: whoever lost the claim's answer ends this attempt as not sent, and no other.
    token       uuid,
    PRIMARY KEY (payment_id, number)
) WITH (fillfactor = 70);             -- room for the end beside the beginning, without new index entries

CREATE TABLE checks (
    payment_id bigint NOT NULL REFERENCES payments,
    number     integer NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT clock(),
    verdict    text NOT NULL,
    detail     text NOT NULL,
    evidence   jsonb NOT NULL,
    PRIMARY KEY (payment_id, number)
);

-- What a person decided, and why; what they were shown of the provider's books before, and what they decided although
-- it was so. A look that was refused is a row with the action `look`: a later `although` covers what that row holds, no
-- more. Append only.
CREATE TABLE resolutions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id  bigint NOT NULL REFERENCES payments,
    action      text NOT NULL,
    from_state  text NOT NULL,
    reason      text NOT NULL,
    by_whom     text NOT NULL,
    resolved_at timestamptz NOT NULL DEFAULT clock(),
    although    text,
    line        text,                 -- the provider's own number of the line that the person means
    look        jsonb,                -- the verdict, and what the look showed; null where nothing was looked at
                                      -- (cancel, a follow-up)
    approved_by text,                 -- who agreed to it, where two had to
    CONSTRAINT two_people CHECK (approved_by <> by_whom)
);
CREATE INDEX resolutions_payment ON resolutions (payment_id);

-- A line of a provider's books is evidence for one payment only. account: the list that it stands in (`books_key`). line:
-- its number there, or a digest of what it says. by_whom: the person who took it; none: our reference stands in it. Never
-- purged, and without a foreign key: payments go to the archive.
CREATE TABLE taken_lines (
    provider   text NOT NULL,
    account    text NOT NULL,
    line       text NOT NULL,
    payment_id bigint NOT NULL,
    by_whom    text,
    taken_at   timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (provider, account, line)
);

-- What is known of an attempt decides what may be sent after it, for as long as the payment lives: not only what the
-- last check said.

-- May another attempt than this one have been applied? A 401 was stopped at the door.
CREATE FUNCTION ever_doubtful(payment bigint, but integer) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM attempts WHERE payment_id = payment AND number IS DISTINCT FROM but
                   AND (ended_at IS NULL OR meaning NOT IN ('not_sent', 'reauth')))
$$;
-- Did another attempt than this one perhaps write a byte?
CREATE FUNCTION ever_sent(payment bigint, but integer) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM attempts WHERE payment_id = payment AND number IS DISTINCT FROM but
                   AND (ended_at IS NULL OR meaning <> 'not_sent'))
$$;

-- Does the process that holds this sign of life still live? (pg_locks splits a bigint key in two)
CREATE FUNCTION worker_alive(key bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                   AND classid = ((key >> 32) & 4294967295)::oid AND objid = (key & 4294967295)::oid)
$$;


-- 5 Transitions -------------------------------------------------------------------------------------------------------
--
-- Refused is what would lose money or the proof of what was sent:
--   a transition that is not in the table (so a final state never changes);
--   cancelling what may have been sent;
--   another request than the one that was frozen, from its first claim on;
--   another identity: whose it is, at which provider, for how much, under which reference.
-- Triggers fire in the order of their names: a_legal judges what was asked for, before b_moved (section 6) adds to it.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payment % may not change like this: % to %', OLD.id, OLD.state, NEW.state
        USING ERRCODE = 'check_violation';
END $$;
-- The legal transitions; shared/domain/payment.py holds the same table and a test compares them.
-- To unknown from accepted, dispatched and waiting: what may have been applied is looked at before it is sent. From
-- unknown to waiting: what was surely never sent needs no check.
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


-- 6 Events ------------------------------------------------------------------------------------------------------------
--
-- An event is written in the transaction of the step that it tells of, so neither is there without the other. Of a
-- payment's steps the two triggers here tell, so that no statement can forget it; of all else the code that does it.
--
--   type, behind `settlepipe.`    id                     written
--   payment.accepted              <payment>-1            by the trigger payment_accepted, with the row
--   payment.unknown, parked,      <payment>-<event_seq>  by the trigger b_moved, when the state becomes that one;
--     succeeded, refused,                                dispatched, sending and waiting are told nobody
--     cancelled
--   payment.disputed              <payment>-<event_seq>  where late evidence opens a discrepancy; the state stays
--   receipt.*, sms.*              <payment>-<event_seq>  where a follow-up ends, and when a message's final report came
--   account.changed               a<bank_accounts.id>-1  where a refresh finds an account that waits for a person
--   intake.quarantined            q<quarantine.id>-1     with the entry's row
--   reconciliation.done           r<reconciliations.id>-1, and -2 when the rest of its books was read later
--
-- event_seq gives all that is told of a payment one order.

-- Written with the step it tells of, and never again.
CREATE TABLE events (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id bigint,
    event_id   text NOT NULL,
    type       text NOT NULL,
    subject    text NOT NULL,
    data       json NOT NULL,         -- as it is told, to the byte
    created_at timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX events_payment ON events (payment_id, id) WHERE payment_id IS NOT NULL;
CREATE INDEX events_other ON events (event_id) WHERE payment_id IS NULL;
CREATE INDEX events_age ON events USING brin (created_at);

-- The outbox: what the relay has to carry to the stream, from an event's own transaction until it stands there. A table
-- of its own, so that the events' long rows are written once.
CREATE TABLE outbox (
    id    bigint PRIMARY KEY,         -- of the event
    asked integer NOT NULL DEFAULT 1  -- grows when one that waits is asked for again: who carried it before leaves it
);

-- No statement can forget it. What comes back from the archive was told long ago: whoever brings it takes it out again.
CREATE FUNCTION put_in_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER put_in_outbox AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION put_in_outbox();

-- No event goes, to the archive or for ever, before it was told. A foreign key would cost each event a lock; who puts
-- an older one in locks its row first.
CREATE FUNCTION refuse_untold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone JOIN outbox USING (id)) THEN
        RAISE EXCEPTION 'an event that has to be told goes nowhere' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refuse_untold AFTER DELETE ON events REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_untold();

-- The relay's turn, and a replay's cursor. One row at most.
CREATE TABLE relay_position (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    entry_id     text,                -- of the last entry written to the stream; none: nothing was written yet, or
                                      -- the stream was wiped
    turn         bigint NOT NULL DEFAULT 0,  -- grows when a relay begins: an older one notes nothing more
    replay       bigint NOT NULL DEFAULT 0,  -- grows when a replay is asked for
    replay_first bigint,              -- of the active replay: ids of its first, next and last event
    replay_next  bigint,
    replay_last  bigint,
    CHECK ((replay_next IS NULL) = (replay_first IS NULL) AND (replay_next IS NULL) = (replay_last IS NULL))
);

-- One payment as upstreams, accountants and programs see it.
CREATE FUNCTION payment_row(p payments) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'source', p.source, 'intent_id', p.intent_id, 'provider', p.provider, 'operation', p.operation,
        'amount', round(p.amount_minor / power(10::numeric, p.places), p.places)::text,
        'currency', p.currency, 'state', p.state, 'hold_reason', p.hold_reason, 'attempts', p.attempts,
        'sent_reference', p.sent_reference, 'provider_reference', p.provider_reference, 'detail', p.detail,
        'request_sha256', encode(p.body_sha256, 'hex'), 'refund_of', p.refund_of,
        'paid_at', utc_text(p.paid_at), 'created_at', utc_text(p.created_at), 'finished_at', utc_text(p.finished_at),
        'code', coalesce(p.hold_reason, p.code), 'target', p.target, 'metadata', p.metadata)
$$;

-- The number behind it is of one epoch alone; what was created before a recovery keeps its name.
CREATE FUNCTION event_name(name text) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT CASE epoch WHEN 0 THEN name ELSE epoch || '-' || name END FROM store $$;

-- Every name that it may have been given.
CREATE FUNCTION event_names(name text) RETURNS text[] LANGUAGE sql STABLE AS
$$ SELECT array_agg(CASE e WHEN 0 THEN name ELSE e || '-' || name END) FROM store, generate_series(0, epoch) AS e $$;

CREATE FUNCTION payment_accepted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (payment_id, event_id, type, subject, data)
    VALUES (NEW.id, event_name(NEW.id || '-1'), 'settlepipe.payment.accepted', NEW.source || '/' || NEW.intent_id,
            payment_row(NEW));
    RETURN NULL;
END $$;
-- What comes back from the archive is finished and was told long ago.
CREATE TRIGGER payment_accepted AFTER INSERT ON payments FOR EACH ROW WHEN (NEW.state = 'accepted')
    EXECUTE FUNCTION payment_accepted();

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

-- What a payment's end brings with it: its date, the next one with its exclusive key, its follow-ups, its event.
CREATE FUNCTION payment_moved() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER b_moved BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state IN ('unknown', 'parked', 'succeeded', 'refused', 'cancelled'))
    EXECUTE FUNCTION payment_moved();

-- Since when it waits for a person: with very many the inbox finds the first ones by an index.
CREATE FUNCTION payment_parked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.parked_at := clock();
    RETURN NEW;
END $$;
CREATE TRIGGER c_parked BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state = 'parked') EXECUTE FUNCTION payment_parked();

-- Where a source's events are posted to, and how far that is. Delivered by whoever has the lease `webhook <id>`.
CREATE TABLE webhooks (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source           text NOT NULL CHECK (source <> ''),
    url              text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT clock(),
    created_by       text NOT NULL,
    position         bigint NOT NULL,   -- events.id: up to here all are delivered, or wait in webhook_waiting
    replay_next      bigint,            -- of a replay that is asked for: behind which event it goes on, and its last
    replay_last      bigint,
    delivered        bigint NOT NULL DEFAULT 0,  -- events, repeats included
    delivered_at     timestamptz,
    failures         integer NOT NULL DEFAULT 0, -- payments in a row whose first try failed; at a receiver that seems
                                        -- ill, all tries in a row
    next_at          timestamptz,       -- nothing is sent before
    failure          text,              -- what was said last that was no yes; none: the last word was one
    disabled_at      timestamptz,
    disabled_by      text,              -- none: by itself
    disabled_because text,
    CHECK ((replay_next IS NULL) = (replay_last IS NULL)),
    CHECK ((disabled_at IS NULL) = (disabled_because IS NULL)),
    CHECK (disabled_by IS NULL OR disabled_at IS NOT NULL)
);

-- What signs, encrypted (SECRET_KEYS). The newest has no end; one that was rotated out signs beside it until then.
CREATE TABLE webhook_secrets (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id bigint NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    secret     bytea NOT NULL,
    until      timestamptz
);
CREATE UNIQUE INDEX webhook_secrets_newest ON webhook_secrets (webhook_id) WHERE until IS NULL;

-- Events behind which others went on: what failed, and what belongs to the same payment and comes after it.
CREATE TABLE webhook_waiting (
    webhook_id   bigint NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    event        bigint NOT NULL,      -- events.id
    subject      text NOT NULL,        -- of one subject they go out in order
    tries        integer NOT NULL DEFAULT 0,
    failed_since timestamptz,          -- its first try, since it was put aside or the webhook enabled
    next_at      timestamptz,          -- none: at once, when it is its turn
    failure      text,
    PRIMARY KEY (webhook_id, event)
);


-- 7 Follow-ups --------------------------------------------------------------------------------------------------------

-- What follows a success and never changes its payment: a VAT receipt, a text message. Made by payment_moved(), so that
-- none is forgotten; claimed, leased and frozen as payments are.
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
    unasked     boolean NOT NULL DEFAULT false, -- it is claimed, and nothing was asked for yet
    code        text,                          -- beside `detail`
    UNIQUE (payment_id, kind)
);
CREATE INDEX follow_ups_due ON follow_ups (provider, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX follow_ups_undelivered ON follow_ups (reference) WHERE kind = 'sms' AND delivery IS NULL;

-- What is told of each number of a sent message. Kept also when our own record of the sending is still to come.
CREATE TABLE sms_reports (
    sms_id      text NOT NULL,
    number      text NOT NULL,
    status      smallint NOT NULL CHECK (status BETWEEN 0 AND 4),
    final       boolean GENERATED ALWAYS AS (status IN (1, 2, 4)) STORED,  -- received, not delivered, error
    reported_at timestamptz NOT NULL,          -- by the provider's clock, or when we asked
    received_at timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (sms_id, number)
);


-- 8 Directory ---------------------------------------------------------------------------------------------------------

-- Providers' lists (bank accounts, services): rows are closed with a date, never deleted.
CREATE TABLE directory_lists (
    provider    text NOT NULL,
    kind        text NOT NULL,
    version     bigint NOT NULL DEFAULT 0,     -- grows with each refresh and each confirmation: copies are read again
    fetched_at  timestamptz,
    lease_until timestamptz,                   -- somebody refreshes it until then
    PRIMARY KEY (provider, kind)
);
CREATE TABLE directory_rows (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider  text NOT NULL,
    kind      text NOT NULL,
    item_id   text NOT NULL,                   -- the provider's id of the row
    key       text NOT NULL,                   -- what it is filed under: a bank account's is its biller service
    data      jsonb NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock(),
    closed_at timestamptz
);
CREATE UNIQUE INDEX directory_open ON directory_rows (provider, kind, item_id) WHERE closed_at IS NULL;

-- Which accounts a biller service's money went to, and when. An account is its number, bank and branch (khut_type):
-- its other fields may change without it becoming another. Never purged: what was confirmed once is known by it.
CREATE TABLE bank_accounts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider     text NOT NULL,
    service      text NOT NULL,             -- the provider's id of the biller service
    khut_type    text NOT NULL,             -- empty: none
    account      text NOT NULL CHECK (account <> ''),
    bank_code    text NOT NULL,             -- empty: none
    bank_name    text NOT NULL,
    since        timestamptz NOT NULL DEFAULT clock(),
    closed_at    timestamptz,
    -- first: came with the service. returned: it was first or confirmed before. The other two wait for a person.
    change       text NOT NULL CHECK (change IN ('first', 'returned', 'added', 'changed')),
    confirmed_at timestamptz,
    confirmed_by text,
    to_confirm   boolean NOT NULL GENERATED ALWAYS AS (change IN ('added', 'changed') AND confirmed_at IS NULL) STORED,
    -- where several fit, the one that a person says bills are paid to
    chosen_at    timestamptz,
    chosen_by    text,
    CHECK ((confirmed_at IS NULL) = (confirmed_by IS NULL)),
    CONSTRAINT chosen CHECK ((chosen_at IS NULL) = (chosen_by IS NULL))
);
CREATE UNIQUE INDEX bank_accounts_chosen ON bank_accounts (provider, service, khut_type)
    WHERE chosen_at IS NOT NULL AND closed_at IS NULL;
CREATE UNIQUE INDEX bank_accounts_open ON bank_accounts (provider, service, khut_type, account, bank_code)
    WHERE closed_at IS NULL;
CREATE INDEX bank_accounts_service ON bank_accounts (provider, service);

-- The accounts in the providers' lists as last refreshed. A row without a number is no account.
CREATE VIEW listed_accounts AS
SELECT DISTINCT ON (provider, service, khut_type, account, bank_code) * FROM (
    SELECT provider, key AS service, coalesce(data ->> 'khut_type', '') AS khut_type, data ->> 'account' AS account,
        coalesce(data ->> 'bank_code', '') AS bank_code, coalesce(data ->> 'bank_name', '') AS bank_name, item_id
    FROM directory_rows WHERE kind = 'bank_accounts' AND closed_at IS NULL AND data ->> 'account' <> '') AS listed
ORDER BY provider, service, khut_type, account, bank_code, item_id;


-- 9 Log-ins and facts -------------------------------------------------------------------------------------------------

-- One log-in for the fleet. A newer version replaces the row; an older one that comes late replaces nothing.
CREATE TABLE tokens (
    provider      text PRIMARY KEY,
    version       bigint NOT NULL,
    token         bytea NOT NULL,     -- encrypted
    refused       boolean NOT NULL DEFAULT false,  -- it got a 401
    after_refusal boolean NOT NULL DEFAULT false,  -- it followed a refused one, and no call has succeeded with it yet
    saved_at      timestamptz NOT NULL DEFAULT clock()
);

-- What evidence has shown about a provider and checks rest on (that it gives our reference back). Deleted when evidence
-- shows otherwise.
CREATE TABLE provider_facts (
    provider   text NOT NULL,
    fact       text NOT NULL,
    learned_at timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (provider, fact)
);


-- 10 Jobs -------------------------------------------------------------------------------------------------------------

-- Periodic jobs: a row for each slot of a job. Completed once, started at least once.
CREATE TABLE job_runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job         text NOT NULL,
    slot        timestamptz NOT NULL,          -- the moment that it was meant for
    state       text NOT NULL DEFAULT 'waiting'
                    CHECK (state IN ('waiting', 'dispatched', 'running', 'done', 'failed', 'skipped')),
    attempts    integer NOT NULL DEFAULT 0,    -- starts; the last one's number fences its outcome
    due_at      timestamptz,                   -- waiting: when it is tried; dispatched, running: the lease's end
    started_at  timestamptz,
    finished_at timestamptz,
    outcome     text,
    -- A slot that is planned for a time to come: the database's clock ran ahead when it was planned. It is forgotten
    -- when it was seen to lie ahead for a while (a clock that goes back for a moment makes all of them look like that).
    ahead_since timestamptz,
    UNIQUE (job, slot),
    CHECK ((due_at IS NULL) = (state IN ('done', 'failed', 'skipped')))
);
CREATE INDEX job_runs_due ON job_runs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX job_runs_slot ON job_runs (slot);


-- 11 Reconciliation ---------------------------------------------------------------------------------------------------
--
-- A night reads the provider's books into provider_lines, writes what it makes of each payment into its partition of
-- reconciled_payments, keeps what is not simply matched as findings, and carries those on as discrepancies, which alone
-- live from night to night.

-- One run a provider and day; a rerun goes on where the last one stopped, or compares the same lines again.
CREATE TABLE reconciliations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider    text NOT NULL,
    day         date NOT NULL,                 -- in the provider's time zone
    period_from timestamptz NOT NULL,
    period_to   timestamptz NOT NULL,
    state       text NOT NULL DEFAULT 'fetching' CHECK (state IN ('fetching', 'fetched', 'compared', 'done')),
    position    jsonb,                         -- where the fetch goes on; written with the lines before it; null when
                                               -- it has not begun and when it is complete
    complete    boolean NOT NULL DEFAULT true, -- false: some of the books could not be read; `missing` says what
    missing     text,
    lines       bigint NOT NULL DEFAULT 0,
    unread      bigint NOT NULL DEFAULT 0,     -- payments left out: what they stand under could not be read
    totals      jsonb,                         -- as compared: see shared/domain/discrepancies.py
    started_at  timestamptz NOT NULL DEFAULT clock(),
    fetched_at  timestamptz,
    compared_at timestamptz,
    finished_at timestamptz,
    told        boolean,                       -- its event went out: for all of the books, or (false) for a part
    mailed      boolean,                       -- the same of its mail
    forgotten   boolean NOT NULL DEFAULT false, -- its lines are no longer kept: it can't be compared again
    unreadable  bigint NOT NULL DEFAULT 0,     -- rows of others' that could not be read
    carried     jsonb,                         -- what it changed about the sums of earlier days, by currency
    hours       jsonb,                         -- its payments by hour and state
    carried_at  timestamptz,                   -- when the living list was carried on by it; null: not since it was compared
    divided     boolean NOT NULL DEFAULT false, -- its totals are of its own day alone; false: not compared, or by a
                                               -- release whose totals were of all that it looked at
    UNIQUE (provider, day),
    CHECK (period_from < period_to)
);

-- The provider's books as they were read, kept so that a rerun compares the same lines. Written with COPY.
CREATE TABLE provider_lines (
    run_id       bigint NOT NULL,
    number       bigint NOT NULL,              -- in the order of reading
    -- payment: money added; other: a correction, a transfer; total: an invoice
    kind         text NOT NULL,
    account      text NOT NULL,                -- what it stands under there: account, bill, invoice
    marker       text,                         -- the text where our reference stands
    ours         boolean NOT NULL,             -- it has the form of our references
    amount_minor bigint NOT NULL,
    currency     text NOT NULL,
    at           timestamptz,                  -- when it was booked there, where that is told
    reference    text,                         -- the provider's own id
    status       text,
    touched      boolean NOT NULL              -- false: it comes from the listing, its account was not read
);
CREATE INDEX provider_lines_run ON provider_lines (run_id);

-- The accounts of ours of which the run read everything, also when that was nothing: only where we looked can
-- something be missing.
CREATE TABLE provider_accounts (
    run_id     bigint NOT NULL,
    account    text NOT NULL,
    -- Under such an account nothing is closed for not being found: a row that could not be read may be it.
    unreadable bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, account)
);

-- The accounts (invoices) under which payments of ours stand, collected when a run begins to be fetched. Those that are
-- not in provider_accounts yet are still to be read.
CREATE TABLE accounts_to_read (
    run_id  bigint NOT NULL,
    number  bigint NOT NULL,                   -- in the order of reading
    account text NOT NULL,
    unread  text,                              -- why it was passed over
    PRIMARY KEY (run_id, number)
);

-- Each payment that a run looked at, as it was then; the findings name what is not simply matched. Replaced with them.
-- A table of its own for each run, reconciled_payments_<run>, made when it is compared: written at once, and dropped
-- as a whole when it is old. Such a table comes from a query, and so none of its columns is NOT NULL.
CREATE TABLE reconciled_payments (
    run_id         bigint,
    payment_id     bigint,
    account        text,
    category       text,
    state          text,
    finished_at    timestamptz,
    currency       text,
    local_minor    bigint,                     -- what it and its lines add to our sum, and to theirs
    provider_minor bigint
) PARTITION BY LIST (run_id);

-- What one run found that is not simply matched. Replaced when the run is compared again.
CREATE TABLE findings (
    run_id         bigint NOT NULL REFERENCES reconciliations ON DELETE CASCADE,
    identity       text NOT NULL,              -- the same finding on another night has the same one
    category       text NOT NULL,
    payment_id     bigint,
    account        text,
    currency       text NOT NULL,
    -- What it adds to our sum, and to theirs. Sums of amounts have no limit: an invoice's total and what ours on it
    -- come to may differ by more than a bigint holds.
    local_minor    numeric NOT NULL,
    provider_minor numeric NOT NULL,
    evidence       jsonb NOT NULL,
    of_day         date,                       -- that it belongs to; null: of a release without it, the run's own
    PRIMARY KEY (run_id, identity)
);
CREATE INDEX findings_payment ON findings (payment_id);

-- The living list: what is open, since when, and how it was closed. What late evidence found has no run (and no sums)
-- until a night finds it too. No foreign key to payments: a discrepancy outlives its payment's time in the hot tables.
CREATE TABLE discrepancies (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    category        text NOT NULL,
    provider        text NOT NULL,
    payment_id      bigint,
    identity        text NOT NULL UNIQUE,
    evidence        jsonb NOT NULL,
    first_seen      timestamptz NOT NULL DEFAULT clock(),
    last_seen       timestamptz NOT NULL DEFAULT clock(),
    resolved_at     timestamptz,
    resolved_by     text,                      -- `books`: a night closed it; else a person
    currency        text,
    local_minor     numeric,
    provider_minor  numeric,
    account         text,
    run_id          bigint,                    -- the run that opened it (again)
    resolved_reason text,
    first_day       date,                      -- the day that it arose on; null: no night has found it yet
    continues_as    bigint,                    -- closed, because it is another discrepancy now: that one's number
    alerted         boolean NOT NULL DEFAULT true, -- false: a night opened it, and people were not told yet
    owner           text,                      -- who is in charge of it
    due             date,                      -- until when
    closing_code    text,                      -- of what kind it was, as who closed it says
    CONSTRAINT discrepancies_code
        CHECK (closing_code IN ('timing', 'fee', 'provider_error', 'our_error', 'other'))
);
CREATE INDEX discrepancies_open ON discrepancies (payment_id) WHERE resolved_at IS NULL;
CREATE INDEX discrepancies_provider ON discrepancies (provider, category) WHERE resolved_at IS NULL;

-- What an entry of an earlier day had added to the sums when a night last saw it, and adds now. An entry of the night's
-- own day adds to that day's sums; here it is taken back from where it stood before.
CREATE TABLE carried_entries (
    run_id          bigint NOT NULL REFERENCES reconciliations ON DELETE CASCADE,
    key             text NOT NULL,       -- the payment, the invoice or the line: the same on every night
    currency        text NOT NULL,
    of_day          date NOT NULL,
    before_local    numeric NOT NULL,
    before_provider numeric NOT NULL,
    local_minor     numeric NOT NULL,
    provider_minor  numeric NOT NULL,
    PRIMARY KEY (run_id, key, currency)
);

-- The living list as a night left it: what was open, what was closed since the night before, and what is closed of all
-- that it found.
CREATE TABLE told_discrepancies (
    run_id          bigint NOT NULL REFERENCES reconciliations ON DELETE CASCADE,
    number          bigint NOT NULL,     -- of the discrepancy
    identity        text NOT NULL,
    category        text NOT NULL,
    open            boolean NOT NULL,
    fresh           boolean NOT NULL,    -- this night was the first to find it
    found           boolean NOT NULL,    -- it is among the night's findings, which have its evidence
    first_day       date NOT NULL,
    payment_id      bigint,
    state           text,                -- of the payment, as it was then
    account         text,
    currency        text,
    local_minor     numeric,
    provider_minor  numeric,
    evidence        jsonb,               -- null: see the finding
    resolved_by     text,
    resolved_reason text,
    continues_as    bigint,
    resolved_at     timestamptz,
    closed          boolean NOT NULL,    -- since the night before; false: it is open, or was told of as closed before
    owner           text,
    due             date,
    closing_code    text,
    notes           jsonb,               -- what people had said about it by then
    PRIMARY KEY (run_id, number)
);
CREATE INDEX told_discrepancies_closed ON told_discrepancies (number) WHERE NOT open;

-- What people said and did about a discrepancy, one after another.
CREATE TABLE discrepancy_notes (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number  bigint NOT NULL REFERENCES discrepancies,
    at      timestamptz NOT NULL DEFAULT clock(),
    by_whom text NOT NULL,
    deed    text NOT NULL CHECK (deed IN ('assigned', 'comment', 'closed', 'reopened')),
    text    text,                      -- the comment, or why
    owner   text,
    due     date,
    code    text,
    CHECK (deed = 'assigned' OR text <> '')
);
CREATE INDEX discrepancy_notes_number ON discrepancy_notes (number);
CREATE FUNCTION refuse_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append only', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER note_kept BEFORE UPDATE OR DELETE ON discrepancy_notes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_note_change();

-- A day of a provider's books is prepared by one person and reviewed by another, and so again where it changed since.
-- seen: what the day came to then, by the night that said so and by currency; what is different later is a correction.
CREATE TABLE day_signatures (
    provider text NOT NULL,
    day      date NOT NULL,
    role     text NOT NULL CHECK (role IN ('prepared', 'reviewed')),
    by_whom  text NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock(),
    reason   text,
    seen     jsonb NOT NULL,
    version  integer NOT NULL DEFAULT 1 CHECK (version > 0),
    books    text,                         -- a digest of all that the day came to; null: of a release without it
    PRIMARY KEY (provider, day, version, role)
);
-- While nobody is set up (people), names prove nothing, and one may sign twice. The day's run is locked first: two
-- signatures at the same moment see each other.
CREATE FUNCTION refuse_signature() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    latest   integer;
    prepared day_signatures;
    same     boolean;
BEGIN
    PERFORM FROM reconciliations WHERE provider = NEW.provider AND day = NEW.day FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no run of this day' USING ERRCODE = 'check_violation';
    END IF;
    SELECT coalesce(max(s.version), 0) INTO latest FROM day_signatures s
    WHERE s.provider = NEW.provider AND s.day = NEW.day;
    SELECT * INTO prepared FROM day_signatures s
    WHERE s.provider = NEW.provider AND s.day = NEW.day AND s.version = latest AND s.role = 'prepared';
    same := prepared.seen @> NEW.seen AND prepared.seen <@ NEW.seen
        AND coalesce(prepared.books = NEW.books, true);
    IF NEW.role = 'reviewed' THEN
        IF prepared IS NULL OR NEW.version <> latest THEN
            RAISE EXCEPTION 'a day is prepared before it is reviewed' USING ERRCODE = 'check_violation';
        END IF;
        IF EXISTS (SELECT FROM people) AND lower(prepared.by_whom) = lower(NEW.by_whom) THEN
            RAISE EXCEPTION 'a day is prepared by one person and reviewed by another' USING ERRCODE = 'check_violation';
        END IF;
        IF NOT same THEN
            RAISE EXCEPTION 'what was prepared is what is reviewed' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.version <> latest + 1 THEN
        RAISE EXCEPTION 'a day''s signatures are numbered, and % is not the next one', NEW.version
            USING ERRCODE = 'check_violation';
    ELSIF latest > 0 AND same THEN
        RAISE EXCEPTION 'nothing about a day has changed since it was signed' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER two_people BEFORE INSERT ON day_signatures FOR EACH ROW EXECUTE FUNCTION refuse_signature();
CREATE TRIGGER signature_kept BEFORE UPDATE OR DELETE ON day_signatures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_note_change();

-- A night's own day by source and by the biller's service.
CREATE TABLE day_sums (
    run_id         bigint NOT NULL REFERENCES reconciliations ON DELETE CASCADE,
    source         text NOT NULL,        -- empty: entries of the provider's books that are no payment of ours
    service        text NOT NULL,        -- empty: the provider's targets name none
    currency       text NOT NULL,
    count          bigint NOT NULL,
    differing      bigint NOT NULL,      -- of them, those that are not simply matched
    local_minor    numeric NOT NULL,
    provider_minor numeric NOT NULL,
    PRIMARY KEY (run_id, source, service, currency)
);
-- What a night needs beyond reading and writing rows, so that whoever runs it need not own anything. Each does one
-- thing to one table of a run's, as the owner, whoever calls it; none takes a text that it would execute.
CREATE FUNCTION begin_run_payments(run bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE name text := 'reconciled_payments_' || run;
BEGIN
    IF NOT EXISTS (SELECT FROM public.reconciliations WHERE id = run AND NOT forgotten) THEN
        RAISE EXCEPTION 'there is no run % that could be compared', run;
    END IF;
    -- Not dropped: no other provider's run could read its own payments until this one is done.
    IF to_regclass('public.' || name) IS NOT NULL THEN
        EXECUTE format('TRUNCATE public.%I', name);
    ELSE
        EXECUTE format('CREATE TABLE public.%I (LIKE public.reconciled_payments)', name);
    END IF;
END $$;
CREATE FUNCTION attach_run_payments(run bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE name text := 'reconciled_payments_' || run;
BEGIN
    IF NOT (SELECT relispartition FROM pg_class WHERE oid = ('public.' || name)::regclass) THEN
        EXECUTE format('ALTER TABLE public.reconciled_payments ATTACH PARTITION public.%I FOR VALUES IN (%s)', name, run);
    END IF;
END $$;
CREATE FUNCTION drop_run_payments(run bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.reconciliations WHERE id = run AND forgotten) THEN
        RAISE EXCEPTION 'the payments of run % are still kept', run;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS public.%I', 'reconciled_payments_' || run);
END $$;
-- Count for the planner what was just written: of what a night fills, and of a run's payments.
CREATE FUNCTION analyze_night(run bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF run IS NULL THEN
        ANALYZE public.provider_lines, public.provider_accounts;
    ELSE
        ANALYZE public.findings;
        EXECUTE format('ANALYZE public.%I', 'reconciled_payments_' || run);
    END IF;
END $$;
CREATE FUNCTION analyze_checks() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$ BEGIN ANALYZE public.checks; END $$;
REVOKE ALL ON FUNCTION begin_run_payments(bigint), attach_run_payments(bigint), drop_run_payments(bigint),
    analyze_night(bigint), analyze_checks() FROM PUBLIC;


-- 12 Quarantine -------------------------------------------------------------------------------------------------------

-- What could not be accepted, once for each content, free of card data.
CREATE TABLE quarantine (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sha256      bytea NOT NULL UNIQUE,
    raw         bytea NOT NULL,
    reason      text NOT NULL,
    subject     text,
    stream      text NOT NULL,
    entry_id    text NOT NULL,
    conflict_of bigint,               -- the payment that the same id already stands for
    seen        integer NOT NULL DEFAULT 1,
    first_seen  timestamptz NOT NULL DEFAULT clock(),
    last_seen   timestamptz NOT NULL DEFAULT clock(),
    replayed_at timestamptz,
    whole_bytes bigint,               -- null: raw is all of it
    code        text                  -- beside `reason`
);
CREATE INDEX quarantine_first_seen ON quarantine (first_seen);

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


-- 13 Alerts -----------------------------------------------------------------------------------------------------------

-- What stands still, or is in question, and has to be told to people: once for each standing still, until it ends.
CREATE TABLE alerts (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    subject    text NOT NULL,             -- the provider, job or currency that it is about; empty: none
    raised_at  timestamptz NOT NULL DEFAULT clock(),
    seen_at    timestamptz NOT NULL DEFAULT clock(), -- it was found to stand last
    cleared_at timestamptz,
    figures    jsonb NOT NULL             -- as it was found last
);
CREATE UNIQUE INDEX alerts_standing ON alerts (name, subject) WHERE cleared_at IS NULL;

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


-- 14 People -----------------------------------------------------------------------------------------------------------

-- All that people did, append only: each record's hash covers the one before (shared/audit.py says how), so that none
-- can be changed, left out or put in between without the chain showing it.
CREATE TABLE audit (
    number   bigint PRIMARY KEY,          -- 1, 2, 3, … without a gap
    at       timestamptz NOT NULL,
    by_whom  text NOT NULL,
    action   text NOT NULL,
    subject  text NOT NULL,
    reason   text,
    content  json NOT NULL,               -- canonical
    previous bytea UNIQUE,                -- the hash of the record before; none: this is the first one
    hash     bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    FOREIGN KEY (previous) REFERENCES audit (hash),
    CHECK ((number = 1) = (previous IS NULL))
);
CREATE INDEX audit_at ON audit (at);

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append only' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- Who may decide. While nobody is here any name counts; once somebody was, a person proves who they are by a token.
CREATE TABLE people (
    name         text PRIMARY KEY CHECK (name <> ''),
    role         text NOT NULL CHECK (role IN ('viewer', 'operator', 'approver', 'accountant')),
    token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32), -- of 256 random bits
    added_at     timestamptz NOT NULL DEFAULT clock(),
    added_by     text NOT NULL,
    rotated_at   timestamptz,
    revoked_at   timestamptz,
    revoked_by   text,
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE UNIQUE INDEX people_name ON people (lower(name)); -- Ann and ann would be two people who are one

-- What one person asked for and another one has to agree to. Nothing else changes until then; what is approved is done
-- in the transaction that says so here.
CREATE TABLE proposals (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL,
    subject     text NOT NULL,
    asked       json NOT NULL,                 -- the words of the command
    seen        json NOT NULL,                 -- what it rests on; where that is other, it is void
    reason      text NOT NULL,
    proposed_by text NOT NULL REFERENCES people,
    proposed_at timestamptz NOT NULL DEFAULT clock(),
    ends_at     timestamptz NOT NULL,          -- void after that
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'rejected', 'void')),
    ended_at    timestamptz,
    ended_by    text REFERENCES people,        -- void: nobody
    ended_why   text,
    CHECK ((state = 'open') = (ended_at IS NULL)),
    CHECK (state IN ('open', 'void') OR ended_by IS NOT NULL),
    CONSTRAINT two_people CHECK (state <> 'approved' OR ended_by <> proposed_by)
);
CREATE INDEX proposals_open ON proposals (id) WHERE state = 'open';

-- What was proposed never changes, and what has ended stays so.
CREATE FUNCTION refuse_proposal_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'proposal % may not change like this', OLD.id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER proposal_kept BEFORE UPDATE ON proposals FOR EACH ROW
    WHEN (OLD.state <> 'open'
        OR (NEW.id, NEW.kind, NEW.subject, NEW.asked::text, NEW.seen::text, NEW.reason, NEW.proposed_by, NEW.proposed_at,
            NEW.ends_at) IS DISTINCT FROM
           (OLD.id, OLD.kind, OLD.subject, OLD.asked::text, OLD.seen::text, OLD.reason, OLD.proposed_by, OLD.proposed_at,
            OLD.ends_at))
    EXECUTE FUNCTION refuse_proposal_change();
CREATE TRIGGER proposal_not_deleted BEFORE DELETE ON proposals FOR EACH ROW EXECUTE FUNCTION refuse_proposal_change();

-- What lets an upstream in by HTTP: as many keys for a source as it takes to change one without a pause.
CREATE TABLE source_keys (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text NOT NULL CHECK (source <> ''),
    key_sha256   bytea NOT NULL UNIQUE CHECK (octet_length(key_sha256) = 32), -- of 256 random bits
    created_at   timestamptz NOT NULL DEFAULT clock(),
    created_by   text NOT NULL,
    last_used_at timestamptz,         -- to the minute, so that a request is no write
    revoked_at   timestamptz,
    revoked_by   text,
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);

-- What lets a person into the control room. Of a revoked person, and of one who was set up anew since, it opens nothing.
CREATE TABLE people_passwords (
    name      text PRIMARY KEY REFERENCES people,
    hash      text NOT NULL CHECK (hash LIKE '$argon2id$%'),
    set_at    timestamptz NOT NULL DEFAULT clock(),
    totp      bytea,                       -- the secret of one-time codes, encrypted by SECRET_KEYS
    totp_step bigint NOT NULL DEFAULT 0    -- of the last code that was taken: none is taken twice
);

-- Who is in the control room. While nobody is set up it is whoever has the password that `up` made.
CREATE TABLE people_sessions (
    id_sha256 bytea PRIMARY KEY CHECK (octet_length(id_sha256) = 32), -- of 256 random bits
    name      text NOT NULL,
    began_at  timestamptz NOT NULL DEFAULT clock(),
    used_at   timestamptz NOT NULL DEFAULT clock(),
    ends_at   timestamptz NOT NULL,
    by_oidc   boolean NOT NULL DEFAULT false  -- an OpenID Connect provider said who it is; else a password did
);
CREATE INDEX people_sessions_name ON people_sessions (name);
CREATE INDEX people_sessions_ends ON people_sessions (ends_at);

-- Log-ins that failed: who tries has to wait, longer each time, up to a bound.
CREATE TABLE people_attempts (
    whose      text PRIMARY KEY,           -- SHA-256 of a name, an address, or a browser in which a person was in before
    failures   integer NOT NULL,
    last_at    timestamptz NOT NULL,
    wait_until timestamptz NOT NULL
);
CREATE INDEX people_attempts_last ON people_attempts (last_at);

-- Forms that were sent and done: the same one sent again changes nothing.
CREATE TABLE people_forms (
    token text PRIMARY KEY,
    name  text NOT NULL,
    at    timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX people_forms_at ON people_forms (at);


-- 15 Archive ----------------------------------------------------------------------------------------------------------
--
-- Where finished payments go with all that belongs to them; each row is in exactly one of the two places.
--
-- Each table here is the twin of one in `public`: the same columns in the same order, because rows move by `SELECT *`.
-- A migration that changes the columns of one table changes its twin in the same way, and a new table whose rows belong
-- to a payment gets a twin and its line in twins.py; a table that refers to payments and has no twin must do without
-- a foreign key. A test compares the pairs and looks for such keys.
--
-- The checks came along, but no triggers, foreign keys or identities: what moves was judged, told and numbered before.
-- The indexes too: checks read the books as fast as before. Those of what is due stay empty.
CREATE SCHEMA archive;
CREATE TABLE archive.payments (LIKE payments INCLUDING CONSTRAINTS INCLUDING INDEXES,
    CONSTRAINT finished CHECK (finished_at IS NOT NULL));
-- Of the inbox, and of what may be paid by the same line: nothing in the archive is parked.
CREATE INDEX payments_parked_at ON payments (parked_at) WHERE state = 'parked';
CREATE INDEX payments_parked_sum ON payments (currency, amount_minor DESC NULLS LAST, parked_at) WHERE state = 'parked';
CREATE INDEX payments_parked_books ON payments (books_key) WHERE state = 'parked';
-- The same of what is held until a person says which account. And of all open ones that were sent: other lists' sums.
CREATE INDEX payments_undecided_at ON payments (created_at)
    WHERE hold_reason IN ('ambiguous_account', 'account_unconfirmed');
CREATE INDEX payments_undecided_sum ON payments (currency, amount_minor DESC NULLS LAST, created_at)
    WHERE hold_reason IN ('ambiguous_account', 'account_unconfirmed');
CREATE INDEX payments_open_books ON payments (books_key)
    WHERE books_key IS NOT NULL AND attempts > 0 AND finished_at IS NULL;
CREATE TABLE archive.attempts (LIKE attempts INCLUDING CONSTRAINTS INCLUDING INDEXES);
CREATE TABLE archive.checks (LIKE checks INCLUDING CONSTRAINTS INCLUDING INDEXES);
CREATE TABLE archive.events (LIKE events INCLUDING CONSTRAINTS INCLUDING INDEXES);  -- the relay doesn't look here
CREATE TABLE archive.follow_ups (LIKE follow_ups INCLUDING CONSTRAINTS INCLUDING INDEXES);
ALTER TABLE archive.follow_ups ALTER unasked SET DEFAULT false;  -- what was here when the column came
CREATE INDEX follow_ups_parked ON follow_ups (asked_at) WHERE state = 'parked';
CREATE TABLE archive.resolutions (LIKE resolutions INCLUDING CONSTRAINTS INCLUDING INDEXES);

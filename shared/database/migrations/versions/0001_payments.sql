-- The truth. What must never happen is refused here, whoever asks: an illegal transition, a changed request,
-- an amount that is not above zero, two payments at the provider that its books can't tell apart.

-- All times that decide anything come from this function; tests replace it.
CREATE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT now() $$;

CREATE FUNCTION utc_text(t timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

-- One lane a provider: limits, rate and circuit breaker hold for the whole fleet because they live here.
CREATE TABLE lanes (
    provider         text PRIMARY KEY,
    paused_at        timestamptz,
    paused_by        text,
    halted_at        timestamptz,
    halted_reason    text,
    failures         integer NOT NULL DEFAULT 0,   -- in a row, of the kind that says the provider is down
    open_until       timestamptz,                  -- set while the circuit breaker is open
    probe_at         timestamptz,                  -- when a halted lane may try one payment
    probe_payment_id bigint,                       -- the one payment that an open or halted lane lets through
    rate_tokens      double precision NOT NULL DEFAULT 0,
    rate_at          timestamptz NOT NULL DEFAULT now(),
    running          boolean GENERATED ALWAYS AS (paused_at IS NULL AND halted_at IS NULL AND open_until IS NULL) STORED,
    stopped_at       timestamptz,
    stopped_for      interval NOT NULL DEFAULT '0'
);

-- Deadlines are kept in lane time, which stands still while the lane is stopped.
CREATE FUNCTION lane_clock(l lanes) RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT coalesce(l.stopped_at, clock()) - l.stopped_for $$;

CREATE FUNCTION lane_stops() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE runs boolean := NEW.paused_at IS NULL AND NEW.halted_at IS NULL AND NEW.open_until IS NULL;
BEGIN
    IF runs AND OLD.stopped_at IS NOT NULL THEN
        NEW.stopped_for := OLD.stopped_for + (clock() - OLD.stopped_at);
        NEW.stopped_at := NULL;
        NEW.probe_payment_id := NULL;
    ELSIF NOT runs AND OLD.stopped_at IS NULL THEN
        NEW.stopped_at := clock();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lane_stops BEFORE UPDATE OF paused_at, halted_at, open_until ON lanes
    FOR EACH ROW EXECUTE FUNCTION lane_stops();

-- What tells a repeated intent from a new one. Never purged, never partitioned.
CREATE TABLE intent_keys (
    source     text NOT NULL,
    intent_id  text NOT NULL,
    digest     bytea NOT NULL CHECK (octet_length(digest) = 32),
    payment_id bigint NOT NULL,
    PRIMARY KEY (source, intent_id)
);

CREATE SEQUENCE payment_ids;

CREATE TABLE payments (
    id                 bigint PRIMARY KEY,
    source             text NOT NULL,
    intent_id          text NOT NULL,
    provider           text NOT NULL REFERENCES lanes,
    operation          text NOT NULL CHECK (operation IN ('settle', 'refund')),
    amount_minor       bigint NOT NULL CHECK (amount_minor > 0),
    currency           text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    places             smallint NOT NULL CHECK (places BETWEEN 0 AND 4),
    paid_at            timestamptz NOT NULL,
    target             jsonb NOT NULL,
    refund_of          text,
    settle_id          bigint REFERENCES payments,   -- a refund's settle, once it is final
    receipt            jsonb,
    notify             jsonb,
    metadata           jsonb,
    created_at         timestamptz NOT NULL DEFAULT clock(),

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

    resend_safe        boolean NOT NULL DEFAULT false,
    reads_first        boolean NOT NULL DEFAULT false, -- nothing is sent before its baseline is kept
    sent_reference     text NOT NULL UNIQUE,
    provider_reference text,
    path               text,
    body               bytea,
    body_sha256        bytea CHECK (body_sha256 = sha256(body)),
    exclusive_key      text,
    baseline           jsonb,

    event_seq          integer NOT NULL DEFAULT 1,
    finished_at        timestamptz,

    CHECK ((operation = 'refund') = (refund_of IS NOT NULL)),
    CHECK ((body IS NULL) = (body_sha256 IS NULL)),
    CHECK (state IN ('accepted', 'refused', 'cancelled', 'succeeded') OR body IS NOT NULL),
    CHECK (hold_reason IS NULL OR state = 'accepted'),
    CHECK (CASE WHEN state IN ('accepted', 'dispatched', 'sending', 'waiting', 'unknown')
           THEN (hold_reason IS NULL) = (due_at IS NOT NULL) ELSE due_at IS NULL END),
    CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'refused', 'cancelled')))
) WITH (fillfactor = 80);

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

CREATE TABLE attempts (
    payment_id  bigint NOT NULL REFERENCES payments,
    number      integer NOT NULL,
    started_at  timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    ended_at    timestamptz,          -- none: the worker died, or its answer was lost
    worker_key  bigint NOT NULL,      -- the session advisory lock that the worker's process holds while it lives
    body_sha256 bytea NOT NULL,
    meaning     text,
    kind        text,
    http_status integer,
    detail      text,
    refusal     boolean NOT NULL DEFAULT false,   -- the provider said no, documented or not
    facts       jsonb,
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

-- The outbox: written with the step it tells of, carried to the stream by the relay while `pending`.
CREATE TABLE events (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id bigint,
    event_id   text NOT NULL,
    type       text NOT NULL,
    subject    text NOT NULL,
    data       json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock(),
    pending    boolean NOT NULL DEFAULT true
);
CREATE INDEX events_pending ON events (id) WHERE pending;
CREATE INDEX events_payment ON events (payment_id, id) WHERE payment_id IS NOT NULL;
CREATE INDEX events_other ON events (event_id) WHERE payment_id IS NULL;
CREATE INDEX events_age ON events USING brin (created_at);

CREATE TABLE relay_position (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    entry_id text NOT NULL            -- of the last entry written to the stream
);

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
    replayed_at timestamptz
);

-- VAT receipts: a follow-up of its own that never changes its payment.
CREATE TABLE receipts (
    payment_id  bigint PRIMARY KEY REFERENCES payments,
    provider    text NOT NULL,
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'dispatched', 'sending', 'issued',
                    'refused', 'parked')),
    attempts    integer NOT NULL DEFAULT 0,
    due_at      timestamptz DEFAULT clock(),   -- as in payments
    path        text,
    body        bytea,
    body_sha256 bytea CHECK (body_sha256 = sha256(body)),
    detail      text,
    answer      jsonb,
    finished_at timestamptz
);
CREATE INDEX receipts_due ON receipts (provider, due_at) WHERE due_at IS NOT NULL;

-- What a person decided, and why. Append only.
CREATE TABLE resolutions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id  bigint NOT NULL REFERENCES payments,
    action      text NOT NULL,
    from_state  text NOT NULL,
    reason      text NOT NULL,
    by_whom     text NOT NULL,
    resolved_at timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX resolutions_payment ON resolutions (payment_id);

CREATE TABLE discrepancies (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    category    text NOT NULL,
    provider    text NOT NULL,
    payment_id  bigint REFERENCES payments,
    identity    text NOT NULL UNIQUE,
    evidence    jsonb NOT NULL,
    first_seen  timestamptz NOT NULL DEFAULT clock(),
    last_seen   timestamptz NOT NULL DEFAULT clock(),
    resolved_at timestamptz,
    resolved_by text
);

-- Providers' lists (bank accounts, services): rows are closed with a date, never deleted.
CREATE TABLE directory_lists (
    provider    text NOT NULL,
    kind        text NOT NULL,
    version     bigint NOT NULL DEFAULT 0,
    fetched_at  timestamptz,
    lease_until timestamptz,
    PRIMARY KEY (provider, kind)
);
CREATE TABLE directory_rows (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider  text NOT NULL,
    kind      text NOT NULL,
    item_id   text NOT NULL,
    key       text NOT NULL,
    data      jsonb NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock(),
    closed_at timestamptz
);
CREATE UNIQUE INDEX directory_open ON directory_rows (provider, kind, item_id) WHERE closed_at IS NULL;

CREATE TABLE provider_facts (
    provider   text NOT NULL,
    fact       text NOT NULL,
    learned_at timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (provider, fact)
);

CREATE TABLE tokens (
    provider      text PRIMARY KEY,
    version       bigint NOT NULL,
    token         bytea NOT NULL,     -- encrypted
    refused       boolean NOT NULL DEFAULT false,
    after_refusal boolean NOT NULL DEFAULT false,
    saved_at      timestamptz NOT NULL DEFAULT clock()
);

-- Does the process that holds this sign of life still live? (pg_locks splits a bigint key in two)
CREATE FUNCTION worker_alive(key bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                   AND classid = ((key >> 32) & 4294967295)::oid AND objid = (key & 4294967295)::oid)
$$;

-- One payment as upstreams, accountants and programs see it.
CREATE FUNCTION payment_row(p payments) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'source', p.source, 'intent_id', p.intent_id, 'provider', p.provider, 'operation', p.operation,
        'amount', round(p.amount_minor / power(10::numeric, p.places), p.places)::text,
        'currency', p.currency, 'state', p.state, 'hold_reason', p.hold_reason, 'attempts', p.attempts,
        'sent_reference', p.sent_reference, 'provider_reference', p.provider_reference, 'detail', p.detail,
        'request_sha256', encode(p.body_sha256, 'hex'), 'refund_of', p.refund_of,
        'paid_at', utc_text(p.paid_at), 'created_at', utc_text(p.created_at), 'finished_at', utc_text(p.finished_at))
$$;

CREATE FUNCTION payment_accepted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (payment_id, event_id, type, subject, data)
    VALUES (NEW.id, NEW.id || '-1', 'settlepipe.payment.accepted', NEW.source || '/' || NEW.intent_id, payment_row(NEW));
    RETURN NULL;
END $$;
CREATE TRIGGER payment_accepted AFTER INSERT ON payments FOR EACH ROW EXECUTE FUNCTION payment_accepted();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payment % may not change like this: % to %', OLD.id, OLD.state, NEW.state
        USING ERRCODE = 'check_violation';
END $$;
-- The legal transitions; shared/domain/payment.py holds the same table and a test compares them.
CREATE TRIGGER a_legal BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND OLD.state || '>' || NEW.state <> ALL (ARRAY[
        'accepted>dispatched', 'accepted>refused', 'accepted>cancelled', 'accepted>succeeded',
        'dispatched>sending', 'dispatched>cancelled', 'dispatched>succeeded',
        'sending>succeeded', 'sending>refused', 'sending>waiting', 'sending>unknown',
        'waiting>dispatched', 'waiting>parked', 'waiting>cancelled', 'waiting>succeeded',
        'unknown>sending', 'unknown>refused', 'unknown>parked', 'unknown>succeeded',
        'parked>succeeded', 'parked>refused', 'parked>waiting', 'parked>unknown'])
        OR NEW.state = 'cancelled' AND OLD.possibly_sent
        OR OLD.body IS NOT NULL AND OLD.attempts > 0 AND (NEW.body, NEW.path) IS DISTINCT FROM (OLD.body, OLD.path)
        OR (NEW.id, NEW.source, NEW.intent_id, NEW.provider, NEW.operation, NEW.amount_minor, NEW.currency,
            NEW.sent_reference) IS DISTINCT FROM
           (OLD.id, OLD.source, OLD.intent_id, OLD.provider, OLD.operation, OLD.amount_minor, OLD.currency,
            OLD.sent_reference))
    EXECUTE FUNCTION refuse_change();

CREATE FUNCTION payment_moved() RETURNS trigger LANGUAGE plpgsql AS $$
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
        IF NEW.state = 'succeeded' AND NEW.receipt IS NOT NULL AND NEW.operation = 'settle' THEN
            INSERT INTO receipts (payment_id, provider) VALUES (NEW.id, NEW.provider) ON CONFLICT DO NOTHING;
        END IF;
    END IF;
    INSERT INTO events (payment_id, event_id, type, subject, data)
    VALUES (NEW.id, NEW.id || '-' || NEW.event_seq, 'settlepipe.payment.' || NEW.state,
            NEW.source || '/' || NEW.intent_id, payment_row(NEW));
    RETURN NEW;
END $$;
CREATE TRIGGER b_moved BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state IN ('unknown', 'parked', 'succeeded', 'refused', 'cancelled'))
    EXECUTE FUNCTION payment_moved();

-- The nightly comparison with the providers' books.

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
    UNIQUE (provider, day),
    CHECK (period_from < period_to)
);

-- The provider's books as they were read, kept so that a rerun compares the same lines. Written with COPY.
CREATE TABLE provider_lines (
    run_id       bigint NOT NULL,
    number       bigint NOT NULL,              -- in the order of reading
    kind         text NOT NULL,                -- payment: money added; other: a correction, a transfer; total: an invoice
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
    run_id  bigint NOT NULL,
    account text NOT NULL,
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
CREATE TABLE reconciled_payments (
    run_id         bigint NOT NULL,
    payment_id     bigint NOT NULL,
    account        text NOT NULL,
    category       text NOT NULL,
    state          text NOT NULL,
    finished_at    timestamptz,
    currency       text NOT NULL,
    local_minor    bigint NOT NULL,            -- what it and its lines add to our sum, and to theirs
    provider_minor bigint NOT NULL
);
-- Written in this order and read as a whole: a tree would double what a million of them cost.
CREATE INDEX reconciled_payments_run ON reconciled_payments USING brin (run_id, payment_id);

-- What one run found that is not simply matched. Replaced when the run is compared again.
CREATE TABLE findings (
    run_id         bigint NOT NULL REFERENCES reconciliations ON DELETE CASCADE,
    identity       text NOT NULL,              -- the same finding on another night has the same one
    category       text NOT NULL,
    payment_id     bigint,
    account        text,
    currency       text NOT NULL,
    local_minor    bigint NOT NULL,            -- what it adds to our sum, and to theirs
    provider_minor bigint NOT NULL,
    evidence       jsonb NOT NULL,
    PRIMARY KEY (run_id, identity)
);

-- The living list: what is open, since when, and how it was closed.
ALTER TABLE discrepancies ADD COLUMN currency text, ADD COLUMN local_minor bigint, ADD COLUMN provider_minor bigint,
    ADD COLUMN account text, ADD COLUMN run_id bigint, ADD COLUMN resolved_reason text;
CREATE INDEX discrepancies_provider ON discrepancies (provider, category) WHERE resolved_at IS NULL;

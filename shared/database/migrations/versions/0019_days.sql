-- A day's sums are of that day alone; what a night changed about earlier days stands apart, and what it told is kept,
-- so that its report can be written again whatever happened since.
ALTER TABLE reconciliations
    ADD COLUMN carried jsonb,            -- what it changed about the sums of earlier days, by currency
    ADD COLUMN hours jsonb,              -- its payments by hour and state
    ADD COLUMN carried_at timestamptz,   -- when the living list was carried on by it; null: not since it was compared
    ADD COLUMN divided boolean NOT NULL DEFAULT false; -- its totals are of its own day alone

-- The day that the entry belongs to. Null: found before this column was there; the run's own.
ALTER TABLE findings ADD COLUMN of_day date;
CREATE INDEX findings_payment ON findings (payment_id);

ALTER TABLE discrepancies
    ADD COLUMN first_day date,           -- the day that it arose on; null: no night has found it yet
    ADD COLUMN continues_as bigint,      -- closed, because it is another discrepancy now: that one's number
    ADD COLUMN alerted boolean NOT NULL DEFAULT true; -- false: a night opened it, and people were not told yet
-- What a night opened before this column was there arose on that night's day at the latest.
UPDATE discrepancies d SET first_day = r.day FROM reconciliations r WHERE r.id = d.run_id;

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
    PRIMARY KEY (run_id, number)
);
CREATE INDEX told_discrepancies_closed ON told_discrepancies (number) WHERE NOT open;

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

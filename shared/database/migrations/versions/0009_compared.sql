-- The payments that a run looked at are a table of its own for each run (shared/store/compared.py): written at once, and
-- dropped as a whole when they are old.
ALTER TABLE reconciled_payments RENAME TO reconciled_before;

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

DO $$
DECLARE run bigint;
BEGIN
    FOR run IN SELECT id FROM reconciliations ORDER BY id LOOP
        IF EXISTS (SELECT FROM reconciled_before WHERE run_id = run) THEN
            EXECUTE 'CREATE TABLE reconciled_payments_' || run || ' AS
                SELECT * FROM reconciled_before WHERE run_id = ' || run || ' ORDER BY payment_id';
            EXECUTE 'ALTER TABLE reconciled_payments ATTACH PARTITION reconciled_payments_' || run || '
                FOR VALUES IN (' || run || ')';
        END IF;
    END LOOP;
END $$;

DROP TABLE reconciled_before;

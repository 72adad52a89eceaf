-- See shared/database/version.py and shared/reconciliation/store/compared.py.
-- Which versions of the code can work with this schema: a version is the number of the last migration that the code
-- knows. Migrations write it, processes read it (shared/database/version.py).
CREATE TABLE code_range (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    least text NOT NULL,  -- older code would meet what is no longer there
    most  text NOT NULL,  -- newer code would miss what is not yet there
    CHECK (least <= most)
);
INSERT INTO code_range (least, most) VALUES ('0020', '0020');

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

-- Which code may work here is the owner's to write, and whoever reads has no use for the providers' tokens: what a role
-- was given with all other tables (shared/database/grants.sql) is taken from it.
DO $$
DECLARE given record;
BEGIN
    FOR given IN
        SELECT DISTINCT c.relname, a.grantee::regrole AS role,
            has_table_privilege(a.grantee, c.oid, 'INSERT') AS writes
        FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid IN ('alembic_version'::regclass, 'code_range'::regclass, 'tokens'::regclass)
            AND a.grantee NOT IN (0, c.relowner)
    LOOP
        IF given.relname = 'tokens' AND NOT given.writes THEN
            EXECUTE format('REVOKE ALL ON tokens FROM %s', given.role);
        ELSIF given.relname <> 'tokens' AND given.writes THEN
            EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %I FROM %s', given.relname, given.role);
        END IF;
    END LOOP;
END $$;

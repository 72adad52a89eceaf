-- Three roles, and what each may do in this database. Run it as a superuser in the database of settlepipe, before the
-- first `settlepipe db upgrade`:
--
--     settlepipe db grants | psql --dbname settlepipe --set ON_ERROR_STOP=1 --single-transaction
--
-- then give each role that logs in a way to do so (ALTER ROLE … PASSWORD, or a line of pg_hba.conf). It is safe to
-- repeat, and brings an installation of one role here once its tables are the owner's: REASSIGN OWNED BY old TO
-- settlepipe_owner.
--
--     settlepipe_owner    owns all of it: migrations, DATABASE_OWNER_URL, and nothing else
--     settlepipe_runtime  reads and writes rows: every process, DATABASE_URL
--     settlepipe_reader   reads, but no provider's token, webhook's secret or password's hash: people, exports, metrics
--
-- Behind a pooler the runtime's sessions have to begin as ours do, too: ALTER ROLE … SET, by `settlepipe db pins`.
--
-- What a later migration makes is granted by the default privileges below: nothing has to be run after an upgrade.

DO $$
DECLARE
    role text;
    here text := current_database();
BEGIN
    FOREACH role IN ARRAY ARRAY['settlepipe_owner', 'settlepipe_runtime', 'settlepipe_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role);
        END IF;
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', here);
    EXECUTE format('GRANT CONNECT, CREATE ON DATABASE %I TO settlepipe_owner', here);
    -- A night compares in temporary tables.
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO settlepipe_runtime', here);
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO settlepipe_reader', here);
END $$;

-- Who may make an object here could put a function or an operator in the way of ours.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO settlepipe_owner;
GRANT USAGE ON SCHEMA public TO settlepipe_runtime, settlepipe_reader;

-- What the owner makes from now on.
ALTER DEFAULT PRIVILEGES FOR ROLE settlepipe_owner
    GRANT USAGE ON SCHEMAS TO settlepipe_runtime, settlepipe_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE settlepipe_owner
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO settlepipe_runtime;
ALTER DEFAULT PRIVILEGES FOR ROLE settlepipe_owner
    GRANT SELECT ON TABLES TO settlepipe_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE settlepipe_owner
    GRANT USAGE, UPDATE ON SEQUENCES TO settlepipe_runtime;  -- `recover` has them jump
ALTER DEFAULT PRIVILEGES FOR ROLE settlepipe_owner
    GRANT EXECUTE ON FUNCTIONS TO settlepipe_runtime;

-- What is there already.
DO $$
BEGIN
    IF to_regclass('public.payments') IS NULL THEN
        RETURN;
    END IF;
    GRANT USAGE ON SCHEMA archive TO settlepipe_runtime, settlepipe_reader;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, archive TO settlepipe_runtime;
    GRANT SELECT ON ALL TABLES IN SCHEMA public, archive TO settlepipe_reader;
    GRANT USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA public, archive TO settlepipe_runtime;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public, archive TO settlepipe_runtime;
    REVOKE ALL ON public.tokens FROM settlepipe_reader;
    IF to_regclass('public.webhook_secrets') IS NOT NULL THEN
        REVOKE ALL ON public.webhook_secrets FROM settlepipe_reader;
    END IF;
    IF to_regclass('public.people_passwords') IS NOT NULL THEN
        REVOKE ALL ON public.people_passwords, public.people_sessions FROM settlepipe_reader;
    END IF;
    IF to_regclass('public.code_range') IS NOT NULL THEN
        REVOKE INSERT, UPDATE, DELETE ON public.alembic_version, public.code_range FROM settlepipe_runtime;
    END IF;
END $$;

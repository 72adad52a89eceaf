-- See shared/database/leases.py and shared/database/pooler.py.
CREATE TABLE leases (
    name     text PRIMARY KEY,
    number   bigint NOT NULL,
    until    timestamptz NOT NULL,
    length_s double precision NOT NULL CHECK (length_s > 0)
);
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

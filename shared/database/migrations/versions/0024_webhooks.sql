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

-- As the providers' tokens: what a role that only reads was given with all tables is taken from it.
DO $$
DECLARE given record;
BEGIN
    FOR given IN
        SELECT DISTINCT a.grantee::regrole AS role
        FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = 'webhook_secrets'::regclass AND a.grantee NOT IN (0, c.relowner)
            AND NOT has_table_privilege(a.grantee, c.oid, 'INSERT')
    LOOP
        EXECUTE format('REVOKE ALL ON webhook_secrets FROM %s', given.role);
    END LOOP;
END $$;

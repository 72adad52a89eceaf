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
    CHECK ((confirmed_at IS NULL) = (confirmed_by IS NULL))
);
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

-- What is listed now was paid to until now. What is not: only that the service had an account is known by it.
INSERT INTO bank_accounts (provider, service, khut_type, account, bank_code, bank_name, since, closed_at, change)
SELECT provider, key, coalesce(data ->> 'khut_type', ''), data ->> 'account', coalesce(data ->> 'bank_code', ''),
    max(coalesce(data ->> 'bank_name', '')), min(opened_at),
    CASE WHEN bool_and(closed_at IS NOT NULL) THEN max(closed_at) END,
    CASE WHEN bool_and(closed_at IS NOT NULL) THEN 'added' ELSE 'first' END
FROM directory_rows WHERE kind = 'bank_accounts' AND data ->> 'account' <> '' GROUP BY 1, 2, 3, 4, 5;

-- Rows of a provider's books that could not be read are counted. Sums of amounts have no limit: an invoice's total and
-- what ours on it come to may differ by more than a bigint holds.
ALTER TABLE reconciliations ADD COLUMN unreadable bigint NOT NULL DEFAULT 0; -- rows of others' that could not be read

-- Under such an account nothing is closed for not being found: a row that could not be read may be it.
ALTER TABLE provider_accounts ADD COLUMN unreadable bigint NOT NULL DEFAULT 0;

ALTER TABLE findings ALTER COLUMN local_minor TYPE numeric, ALTER COLUMN provider_minor TYPE numeric;
ALTER TABLE discrepancies ALTER COLUMN local_minor TYPE numeric, ALTER COLUMN provider_minor TYPE numeric;

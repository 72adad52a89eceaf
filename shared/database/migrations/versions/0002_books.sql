-- Payments that stand in one list of their provider's books (an account's payments): a check has to find there
-- whatever of ours has succeeded.
ALTER TABLE payments ADD COLUMN books_key text;
CREATE INDEX payments_books_latest ON payments (provider, finished_at)
    WHERE books_key IS NOT NULL AND state = 'succeeded';
CREATE INDEX payments_books ON payments (books_key) WHERE books_key IS NOT NULL AND state = 'succeeded';

-- What a person was shown of the provider's books before a decision, and what they decided although it was so.
-- look: the verdict, and what the look showed; null where nothing was looked at (cancel, a follow-up).
-- line: the provider's own number of the line that the person means. A look that was refused is a row with the action
-- `look`: a later `although` covers what that row holds, no more.
ALTER TABLE resolutions ADD COLUMN although text, ADD COLUMN line text, ADD COLUMN look jsonb;
ALTER TABLE archive.resolutions ADD COLUMN although text, ADD COLUMN line text, ADD COLUMN look jsonb;

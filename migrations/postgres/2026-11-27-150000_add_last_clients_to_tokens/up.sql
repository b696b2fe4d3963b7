-- Who used a token last: the address and the user agent of that request. They are written together with the last use.
ALTER TABLE tokens ADD COLUMN last_address TEXT;
ALTER TABLE tokens ADD COLUMN last_agent TEXT;
-- The use that they belong to. A release before writes a later updated_on without them: then they are not shown.
ALTER TABLE tokens ADD COLUMN last_client_on TIMESTAMP;

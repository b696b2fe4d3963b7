-- Access tokens: many a person, each with a name, and with what it may do until when. NULL for every other kind.
ALTER TABLE tokens ADD COLUMN name TEXT;
ALTER TABLE tokens ADD COLUMN note TEXT;
-- Scopes, with a space between them.
ALTER TABLE tokens ADD COLUMN scopes TEXT;
-- From then on it is refused; NULL: it does not expire.
ALTER TABLE tokens ADD COLUMN expires_on TIMESTAMP;
-- Whether its owner's activity tells that it has expired.
ALTER TABLE tokens ADD COLUMN expiry_told BOOLEAN NOT NULL DEFAULT FALSE;

-- A rotated key has a row for each of its secrets, so that each knows its own last use. The first of them is the key:
-- the others refer to it, and go with it.
ALTER TABLE tokens ADD COLUMN key_id BIGINT REFERENCES tokens (id) ON DELETE CASCADE;
-- From then on this secret is refused, because another has taken its place; NULL: it is the current one.
ALTER TABLE tokens ADD COLUMN retired_on TIMESTAMP;

-- Of sessions: when the password was last given; NULL: at created_on.
ALTER TABLE tokens ADD COLUMN confirmed_on TIMESTAMP;

-- Partial: of millions of keys that are of other kinds they hold nothing.
CREATE INDEX tokens_key_id ON tokens (key_id) WHERE key_id IS NOT NULL;
CREATE INDEX tokens_expires_on ON tokens (expires_on) WHERE expires_on IS NOT NULL;

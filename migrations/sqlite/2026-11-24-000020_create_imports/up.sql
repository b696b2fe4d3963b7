-- Since when uses of this token are known; NULL: since created_on. A system that it was moved in from may have kept none.
ALTER TABLE tokens ADD COLUMN recorded_since TIMESTAMP;

-- Who was moved in, so that moving in again tells what has changed here from what has changed there. Without foreign
-- keys: a person who was deleted here must not come back.
CREATE TABLE imported_users (
    -- The id in the system they came from.
    source_id BIGINT PRIMARY KEY NOT NULL,
    user_id BIGINT NOT NULL,
    -- Of each field as it was moved in; never of a password.
    digests BLOB NOT NULL,
    -- When they were first moved in: somebody made later is somebody else, to whom the database gave the same id again.
    imported_on TIMESTAMP NOT NULL
);

-- Which keys were moved in, so that one that was revoked or reset here does not come back.
CREATE TABLE imported_tokens (
    -- SHA-256 of the secret, as in tokens.
    digest BLOB PRIMARY KEY NOT NULL,
    source_user_id BIGINT NOT NULL,
    token_id BIGINT NOT NULL,
    action TEXT NOT NULL
);

CREATE INDEX imported_tokens_source_user_id ON imported_tokens (source_user_id);

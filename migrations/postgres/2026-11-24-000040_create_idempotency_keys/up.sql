-- What was done for requests with an Idempotency-Key, so that one that is sent again is not done again. Only digests: the
-- key is the client's, and a body may hold anything.
CREATE TABLE idempotency_keys (
    -- SHA-256 of whose key it is, what they were authenticated with, and the key.
    digest BYTEA PRIMARY KEY NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the request.
    request BYTEA NOT NULL,
    -- What came of it. Without a foreign key: that it is gone by now is told to who asks again.
    token_id BIGINT NOT NULL,
    created_on TIMESTAMP NOT NULL
);

CREATE INDEX idempotency_keys_user_id ON idempotency_keys (user_id);
-- They are kept for a day.
CREATE INDEX idempotency_keys_created_on ON idempotency_keys (created_on);

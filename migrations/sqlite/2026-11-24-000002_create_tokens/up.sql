-- AUTOINCREMENT: otherwise a reset key could inherit the pending use of the one it replaces.
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    action TEXT NOT NULL,
    -- SHA-256 of the secret, which is stored nowhere.
    digest BLOB NOT NULL,
    -- The last four characters of the secret, to recognise a key by.
    hint TEXT NOT NULL,
    created_on TIMESTAMP NOT NULL,
    -- The last use; NULL until the first.
    updated_on TIMESTAMP
);

CREATE UNIQUE INDEX tokens_digest_unique ON tokens (digest);
CREATE INDEX tokens_user_id_action ON tokens (user_id, action);

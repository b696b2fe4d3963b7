-- The mail address that somebody has asked for. It takes the place of theirs once the link that was sent there is opened.
CREATE TABLE new_addresses (
    user_id BIGINT PRIMARY KEY NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    created_on TIMESTAMP NOT NULL
);

-- person, or service: an account for a program. To a release that does not know a kind, it is one that cannot sign in.
ALTER TABLE users ADD COLUMN kind TEXT NOT NULL DEFAULT 'person';

-- Service accounts have no mail address.
DROP INDEX users_mail_unique;
CREATE UNIQUE INDEX users_mail_unique ON users (lower(mail)) WHERE mail <> '';

-- The people who look after the keys of a service account.
CREATE TABLE account_owners (
    account_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    owner_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, owner_id)
);

CREATE INDEX account_owners_owner ON account_owners (owner_id);

-- The login of whoever made the key, where that was not the account that it belongs to.
ALTER TABLE tokens ADD COLUMN made_by TEXT;

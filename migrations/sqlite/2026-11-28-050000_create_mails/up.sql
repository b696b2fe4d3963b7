-- Mails that wait to be sent, and for 30 days those that were.
CREATE TABLE mails (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- Whom it is for, as text: what waits for one recipient, of one kind, is put together.
    recipient TEXT NOT NULL,
    -- NULL: whoever has the address, as login or mail address, if anybody has.
    user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
    -- NULL: the one that the person has when it is sent.
    address TEXT,
    kind TEXT NOT NULL,
    -- The key that it is about.
    token_id BIGINT,
    -- What it tells, as JSON. No secret is in it.
    facts TEXT NOT NULL,
    -- How many things it tells: more than one, if there was too much to keep each.
    times BIGINT NOT NULL DEFAULT 1,
    created_on TIMESTAMP NOT NULL,
    -- Given when a process takes it for the first time. Rows that are put together have the same.
    message_id TEXT,
    taken_on TIMESTAMP,
    attempts BIGINT NOT NULL DEFAULT 0,
    -- While a process sends it, this is when another may take it.
    next_try_on TIMESTAMP NOT NULL,
    -- What the mail server said last.
    answer TEXT,
    outcome TEXT,
    -- NULL: it waits.
    done_on TIMESTAMP
);

CREATE INDEX mails_waiting ON mails (next_try_on, id) WHERE done_on IS NULL;
CREATE INDEX mails_of_recipient ON mails (recipient, kind, taken_on);
CREATE INDEX mails_message_id ON mails (message_id);
CREATE INDEX mails_user_id ON mails (user_id, kind, done_on);
CREATE INDEX mails_token_id ON mails (token_id, kind, created_on);
CREATE INDEX mails_outcome ON mails (outcome, done_on);

-- One row: whether the processes of this database send mail, and when administrators were last told of the week.
CREATE TABLE mail_switch (
    id BIGINT PRIMARY KEY NOT NULL,
    is_on BOOLEAN NOT NULL,
    weekly_on TIMESTAMP NOT NULL
);

-- The kinds of mail that somebody does without.
CREATE TABLE unwanted_mails (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    PRIMARY KEY (user_id, kind)
);

-- The moment before the expiry of a key of which its owner was told last.
ALTER TABLE tokens ADD COLUMN expiry_warned TIMESTAMP;

-- The IANA time zone in which mails tell times; empty: UTC.
ALTER TABLE users ADD COLUMN time_zone TEXT NOT NULL DEFAULT '';

-- AUTOINCREMENT: an id is never given twice, not even after its row is gone.
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    login TEXT NOT NULL,
    firstname TEXT NOT NULL,
    lastname TEXT NOT NULL,
    mail TEXT NOT NULL,
    -- An Argon2id PHC string; NULL: no sign-in by password.
    password_hash TEXT,
    admin BOOLEAN NOT NULL DEFAULT FALSE,
    -- active, registered or locked; what a release does not know is locked to it.
    status TEXT NOT NULL DEFAULT 'active',
    must_change_password BOOLEAN NOT NULL DEFAULT FALSE,
    twofa_scheme TEXT,
    language TEXT NOT NULL DEFAULT 'en',
    created_on TIMESTAMP NOT NULL,
    updated_on TIMESTAMP NOT NULL,
    last_login_on TIMESTAMP,
    passwd_changed_on TIMESTAMP
);

CREATE UNIQUE INDEX users_login_unique ON users (lower(login));
CREATE UNIQUE INDEX users_mail_unique ON users (lower(mail));

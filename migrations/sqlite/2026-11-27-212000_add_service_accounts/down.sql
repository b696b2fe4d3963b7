ALTER TABLE tokens DROP COLUMN made_by;
DROP TABLE account_owners;

-- A release before this one takes them for people, who have mail addresses. Nobody can sign in as they have no password.
UPDATE users SET mail = 'service-account-' || id || '@localhost' WHERE mail = '';
DROP INDEX users_mail_unique;
CREATE UNIQUE INDEX users_mail_unique ON users (lower(mail));

ALTER TABLE users DROP COLUMN kind;

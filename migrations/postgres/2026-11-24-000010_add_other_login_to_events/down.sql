ALTER TABLE events DROP COLUMN other_login;

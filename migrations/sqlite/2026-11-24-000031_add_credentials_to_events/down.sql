ALTER TABLE events DROP COLUMN detail;
ALTER TABLE events DROP COLUMN credential;
ALTER TABLE events DROP COLUMN token_name;

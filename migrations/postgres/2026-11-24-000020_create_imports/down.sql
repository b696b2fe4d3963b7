DROP TABLE imported_tokens;
DROP TABLE imported_users;
ALTER TABLE tokens DROP COLUMN recorded_since;

DROP INDEX tokens_expires_on;
DROP INDEX tokens_key_id;
-- What has lost its scopes and its expiry must never work again.
DELETE FROM tokens WHERE action = 'access';
ALTER TABLE tokens DROP COLUMN confirmed_on;
ALTER TABLE tokens DROP COLUMN retired_on;
ALTER TABLE tokens DROP COLUMN key_id;
ALTER TABLE tokens DROP COLUMN expiry_told;
ALTER TABLE tokens DROP COLUMN expires_on;
ALTER TABLE tokens DROP COLUMN scopes;
ALTER TABLE tokens DROP COLUMN note;
ALTER TABLE tokens DROP COLUMN name;

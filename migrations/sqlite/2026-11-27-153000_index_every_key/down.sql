DROP INDEX tokens_keys_used_on;
DROP INDEX tokens_keys_expires_on;
DROP INDEX tokens_keys_created_on;

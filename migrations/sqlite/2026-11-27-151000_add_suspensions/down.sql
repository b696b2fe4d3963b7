DROP TABLE refused_uses;
-- The release before knows no suspension, but refuses a secret that was replaced: what is suspended must not work again
-- because somebody goes back a release.
UPDATE tokens SET retired_on = suspended_on
WHERE suspended_on IS NOT NULL
    AND (suspended_until IS NULL OR revoked_then OR suspended_until > CURRENT_TIMESTAMP)
    AND (retired_on IS NULL OR retired_on > suspended_on);
DROP INDEX tokens_suspended_until;
DROP INDEX tokens_suspended_on;
ALTER TABLE tokens DROP COLUMN revoked_then;
ALTER TABLE tokens DROP COLUMN suspended_until;
ALTER TABLE tokens DROP COLUMN suspended_on;

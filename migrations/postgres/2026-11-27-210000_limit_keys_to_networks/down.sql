-- The release before knows no networks, but refuses a secret that was replaced: a key that is limited must not work from
-- anywhere because somebody goes back a release.
UPDATE tokens SET retired_on = now() AT TIME ZONE 'UTC'
WHERE networks IS NOT NULL AND (retired_on IS NULL OR retired_on > now() AT TIME ZONE 'UTC');
ALTER TABLE tokens DROP COLUMN networks;

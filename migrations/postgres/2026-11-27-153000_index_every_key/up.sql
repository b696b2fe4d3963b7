-- Administrators list everybody's keys in one of three orders, and a page begins after the last row of the one before:
-- an index for each order. What is missing has a time of its own, so that it sorts alike on both databases: a key that
-- never expires does so at the end of time, and one that was never used was used at its beginning. Rails wrote
-- updated_on = created_on for the latter. The expressions are those of src/models/keys/list_order.rs, or no list uses them.
--
-- A key has a row for each secret, of which the first stands for it, except where keys are ordered by last use.
CREATE INDEX tokens_keys_created_on ON tokens (created_on, id)
    WHERE key_id IS NULL AND action IN ('api', 'feeds', 'access');
CREATE INDEX tokens_keys_expires_on ON tokens ((coalesce(expires_on, TIMESTAMP '9999-12-31 23:59:59.999999')), id)
    WHERE key_id IS NULL AND action IN ('api', 'feeds', 'access');
-- It changes about once a minute with the last use of a key, and not with that of a session.
CREATE INDEX tokens_keys_used_on ON tokens ((CASE WHEN updated_on > created_on THEN updated_on ELSE TIMESTAMP '0001-01-01 00:00:00' END), id)
    WHERE action IN ('api', 'feeds', 'access');

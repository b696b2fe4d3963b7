-- Since when the key is suspended, and so refused; NULL: it is not. Every row of a key repeats this and the next two.
ALTER TABLE tokens ADD COLUMN suspended_on TIMESTAMP;
-- When the suspension ends; NULL: when somebody switches the key on again.
ALTER TABLE tokens ADD COLUMN suspended_until TIMESTAMP;
-- Whether the key is revoked then. Otherwise it works again.
ALTER TABLE tokens ADD COLUMN revoked_then BOOLEAN NOT NULL DEFAULT FALSE;

-- Partial: of millions of keys that are not suspended they hold nothing.
CREATE INDEX tokens_suspended_on ON tokens (suspended_on) WHERE suspended_on IS NOT NULL;
CREATE INDEX tokens_suspended_until ON tokens (suspended_until) WHERE suspended_until IS NOT NULL;

-- Who was refused with a key while it was suspended. A key is named by its first secret.
CREATE TABLE refused_uses (
    token_id BIGINT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    -- The name of the service that it was presented to; empty: Latchkey itself. A copy, as the service may go.
    service TEXT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    times BIGINT NOT NULL,
    first_on TIMESTAMP NOT NULL,
    last_on TIMESTAMP NOT NULL,
    PRIMARY KEY (token_id, service, address, agent)
);

CREATE INDEX refused_uses_last_on ON refused_uses (last_on);

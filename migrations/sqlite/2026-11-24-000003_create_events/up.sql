CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    action TEXT NOT NULL,
    -- The token it is about, which may be gone by now: its id, kind and hint stay readable here.
    token_id BIGINT,
    token_action TEXT,
    token_hint TEXT,
    -- The client's address and agent; empty: the command line.
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    -- How often it happened between created_on and updated_on.
    times BIGINT NOT NULL DEFAULT 1,
    -- Of events that are counted (refused sign-ins): the hour they are counted in.
    hour TIMESTAMP,
    created_on TIMESTAMP NOT NULL,
    updated_on TIMESTAMP NOT NULL
);

CREATE INDEX events_user_id_updated_on ON events (user_id, updated_on);
-- NULL hours are all different: only counted events are held to one row.
CREATE UNIQUE INDEX events_counted_unique ON events (user_id, action, address, hour);

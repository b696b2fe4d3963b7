-- What happened to anybody's keys and account, and to services. It refers to no other row, because it outlives whom and
-- what it is about. Rows are only added, and removed when they are as old as LATCHKEY_AUDIT_KEPT says.
CREATE TABLE audit_entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    created_on TIMESTAMP NOT NULL,
    action TEXT NOT NULL,
    -- How often it had happened by then, where that is counted (refused sign-ins within an hour).
    times BIGINT NOT NULL DEFAULT 1,
    -- Whom it is about, with the login of that time; NULL: nobody, as with a service.
    user_id BIGINT,
    user_login TEXT,
    -- Who did it. `actor` is a login, or "command line", "Latchkey itself" or "not signed in", which can be no logins.
    actor_id BIGINT,
    actor TEXT NOT NULL,
    -- As whom the actor did it, if as somebody else.
    acting_as_id BIGINT,
    acting_as TEXT,
    -- The key that it is about.
    token_id BIGINT,
    token_action TEXT,
    token_name TEXT,
    token_hint TEXT,
    -- The client's address and agent; empty: there was none, as on the command line.
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    -- The key or session that it was done with, in words; of a command, the operating system's user.
    credential TEXT,
    -- What else there is to say.
    detail TEXT
);

-- One for each filter, in the order of the log: the first page and the last one cost the same. The first is for the log
-- without a filter. Its condition is always true, and only queries without a filter have it: otherwise PostgreSQL reads the
-- whole log by time for somebody who did little.
CREATE INDEX audit_entries_created_on ON audit_entries (created_on, id) WHERE times > 0;
CREATE INDEX audit_entries_user_id ON audit_entries (user_id, created_on, id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_entries_user_login ON audit_entries (lower(user_login), created_on, id);
CREATE INDEX audit_entries_actor_id ON audit_entries (actor_id, created_on, id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_entries_actor ON audit_entries (lower(actor), created_on, id);
CREATE INDEX audit_entries_action ON audit_entries (action, created_on, id);
CREATE INDEX audit_entries_token_id ON audit_entries (token_id, created_on, id) WHERE token_id IS NOT NULL;
CREATE INDEX audit_entries_address ON audit_entries (address, created_on, id);

CREATE TRIGGER audit_entries_stay BEFORE UPDATE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'entries of the audit log are never changed');
END;

-- Whether the process that wrote the event has written its entry, too. Releases before this one know nothing of it.
ALTER TABLE events ADD COLUMN audited BOOLEAN NOT NULL DEFAULT FALSE;

-- What can be said in the log of an event that another release recorded.
CREATE VIEW events_as_entries AS
SELECT
    events.id AS event_id,
    events.updated_on AS created_on,
    events.action,
    events.times,
    CASE WHEN events.action = 'account_deleted' OR events.action LIKE 'service@_%' ESCAPE '@' THEN NULL
        ELSE events.user_id END AS user_id,
    CASE WHEN events.action = 'account_deleted' THEN events.other_login
        WHEN events.action LIKE 'service@_%' ESCAPE '@' THEN NULL
        ELSE users.login END AS user_login,
    CASE WHEN events.action = 'account_deleted' THEN users.id
        WHEN events.other_login IS NOT NULL OR events.address IN ('', 'Latchkey itself') THEN NULL
        WHEN events.action IN ('sign_in_refused', 'key_leaked') THEN NULL
        ELSE users.id END AS actor_id,
    CASE WHEN events.action = 'account_deleted' THEN users.login
        WHEN events.other_login IS NOT NULL
            THEN substr(events.other_login, 1, instr(events.other_login || ' as ', ' as ') - 1)
        WHEN events.address = '' THEN 'command line'
        WHEN events.address = 'Latchkey itself' THEN 'Latchkey itself'
        WHEN events.action IN ('sign_in_refused', 'key_leaked') THEN 'not signed in'
        ELSE users.login END AS actor,
    CASE WHEN events.action <> 'account_deleted' AND instr(events.other_login, ' as ') > 0
            THEN substr(events.other_login, instr(events.other_login, ' as ') + 4) END AS acting_as,
    events.token_id,
    events.token_action,
    events.token_name,
    events.token_hint,
    CASE WHEN events.address = 'Latchkey itself' THEN '' ELSE events.address END AS address,
    events.agent,
    events.credential,
    events.detail
FROM events INNER JOIN users ON users.id = events.user_id;

-- The log begins with what there is.
INSERT INTO audit_entries (created_on, action, times, user_id, user_login, actor_id, actor, acting_as,
    token_id, token_action, token_name, token_hint, address, agent, credential, detail)
SELECT created_on, action, times, user_id, user_login, actor_id, actor, acting_as,
    token_id, token_action, token_name, token_hint, address, agent, credential, detail
FROM events_as_entries ORDER BY created_on, event_id;

-- It goes on with what the release before records beside this one.
CREATE TRIGGER events_of_other_releases AFTER INSERT ON events WHEN NOT NEW.audited
BEGIN
    INSERT INTO audit_entries (created_on, action, times, user_id, user_login, actor_id, actor, acting_as,
        token_id, token_action, token_name, token_hint, address, agent, credential, detail)
    SELECT created_on, action, times, user_id, user_login, actor_id, actor, acting_as,
        token_id, token_action, token_name, token_hint, address, agent, credential, detail
    FROM events_as_entries WHERE event_id = NEW.id;
END;

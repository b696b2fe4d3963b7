-- Named sets of people, whom services admit together.
CREATE TABLE groups (
    -- Never given twice.
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name TEXT NOT NULL,
    -- The name in lower case, as Latchkey makes it: the databases do not agree on what is equal regardless of case.
    folded TEXT NOT NULL UNIQUE,
    -- Where its members are kept: here, in the file of services, or in a file that it has left.
    kept_in TEXT NOT NULL DEFAULT 'database',
    created_on TIMESTAMP NOT NULL,
    updated_on TIMESTAMP NOT NULL
);

-- A question asks whether one person is in a group, so the person comes first.
CREATE TABLE group_members (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_id BIGINT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_id)
);

CREATE INDEX group_members_group_id ON group_members (group_id, user_id);

-- The groups that a service admits. A table of its own, so that the release before leaves them alone, and lets nobody in
-- by them.
CREATE TABLE service_group_admissions (
    service_id BIGINT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    group_id BIGINT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    access TEXT NOT NULL,
    PRIMARY KEY (service_id, group_id, access)
);

CREATE INDEX service_group_admissions_group_id ON service_group_admissions (group_id);

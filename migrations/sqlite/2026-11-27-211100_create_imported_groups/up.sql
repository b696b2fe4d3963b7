-- The groups that have come in from Redmine, and which groups they are here; a group may have been deleted here since.
CREATE TABLE imported_groups (
    source_id BIGINT PRIMARY KEY NOT NULL,
    group_id BIGINT NOT NULL,
    -- The name there, and the one that was given here: who has changed it since is seen by them.
    name TEXT NOT NULL,
    given_name TEXT NOT NULL,
    -- What tells whether the id still belongs to the same group: the creation time of the row.
    identity TEXT NOT NULL
);

-- The members that those groups had there, by their ids there.
CREATE TABLE imported_group_members (
    source_group_id BIGINT NOT NULL,
    source_user_id BIGINT NOT NULL,
    PRIMARY KEY (source_group_id, source_user_id)
);

-- One row: the newest migration that a release must know to work on this database. A migration that older
-- releases cannot live with moves it; all others leave it, so that the release before keeps running.
CREATE TABLE compatibility (
    needs_migration TEXT PRIMARY KEY NOT NULL
);

INSERT INTO compatibility (needs_migration) VALUES ('20261124000004');

-- What stands behind a reverse proxy that asks whether a key is good for it.
CREATE TABLE services (
    -- Never given twice: what is left in memory of a service that was removed cannot hit another.
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    -- Where it lives: a host in lower case, without a port, and a path without a slash at its end, but for the root.
    host TEXT NOT NULL,
    path TEXT NOT NULL,
    -- The methods that read, with blanks between; every other one writes.
    reading_methods TEXT NOT NULL,
    anonymous_reads BOOLEAN NOT NULL DEFAULT FALSE,
    classic_keys BOOLEAN NOT NULL DEFAULT FALSE,
    key_parameter BOOLEAN NOT NULL DEFAULT FALSE,
    requests_per_minute BIGINT,
    everyone_reads BOOLEAN NOT NULL DEFAULT FALSE,
    everyone_writes BOOLEAN NOT NULL DEFAULT FALSE,
    -- Where its settings are kept: here, in the file, or in a file that it has left.
    kept_in TEXT NOT NULL DEFAULT 'database',
    created_on TIMESTAMP NOT NULL,
    updated_on TIMESTAMP NOT NULL,
    UNIQUE (host, path)
);

-- The people whom a service admits by name.
CREATE TABLE service_admissions (
    service_id BIGINT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    access TEXT NOT NULL,
    PRIMARY KEY (service_id, user_id, access)
);

CREATE INDEX service_admissions_user_id ON service_admissions (user_id);

-- The scopes of keys that are about services. They go with the service, so that a later one of the same name starts with
-- none; a key is named by its first secret.
CREATE TABLE token_services (
    token_id BIGINT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    service_id BIGINT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    access TEXT NOT NULL,
    PRIMARY KEY (token_id, service_id, access)
);

CREATE INDEX token_services_service_id ON token_services (service_id);

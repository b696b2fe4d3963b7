-- When each key was last used on each service, and by whom. A key is named by its first secret.
CREATE TABLE service_uses (
    token_id BIGINT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    service_id BIGINT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    last_used_on TIMESTAMP NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    PRIMARY KEY (token_id, service_id)
);

CREATE INDEX service_uses_service_id ON service_uses (service_id);

-- How often that was on a day, in UTC. They are kept for 90 days.
CREATE TABLE service_use_counts (
    token_id BIGINT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    service_id BIGINT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    day DATE NOT NULL,
    times BIGINT NOT NULL,
    PRIMARY KEY (token_id, service_id, day)
);

CREATE INDEX service_use_counts_service_id ON service_use_counts (service_id);
CREATE INDEX service_use_counts_day ON service_use_counts (day);

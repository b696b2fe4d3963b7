-- What a person is told on their page until they say that they have seen it: what has happened stands in the event.
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    event_id BIGINT NOT NULL REFERENCES events (id) ON DELETE CASCADE
);

CREATE INDEX notices_user_id ON notices (user_id);
CREATE INDEX notices_event_id ON notices (event_id);

-- Old events are removed after a time, and the oldest of a kind when a person has too many of it.
CREATE INDEX events_updated_on ON events (updated_on);
CREATE INDEX events_user_id_action_id ON events (user_id, action, id);

-- Sessions that are over are removed after a time. Partial: of all the keys it holds nothing.
CREATE INDEX tokens_session_created_on ON tokens (created_on) WHERE action = 'session';

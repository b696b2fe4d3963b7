DROP INDEX tokens_session_created_on;
DROP INDEX events_user_id_action_id;
DROP INDEX events_updated_on;

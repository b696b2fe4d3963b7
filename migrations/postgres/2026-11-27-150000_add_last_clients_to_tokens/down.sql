ALTER TABLE tokens DROP COLUMN last_client_on;
ALTER TABLE tokens DROP COLUMN last_agent;
ALTER TABLE tokens DROP COLUMN last_address;

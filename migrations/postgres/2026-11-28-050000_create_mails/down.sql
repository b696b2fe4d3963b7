ALTER TABLE users DROP COLUMN time_zone;
ALTER TABLE tokens DROP COLUMN expiry_warned;
DROP TABLE unwanted_mails;
DROP TABLE mail_switch;
DROP TABLE mails;

DROP TRIGGER events_of_other_releases;
DROP VIEW events_as_entries;
ALTER TABLE events DROP COLUMN audited;
DROP TABLE audit_entries;

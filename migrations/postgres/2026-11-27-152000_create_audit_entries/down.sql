DROP TRIGGER events_of_other_releases ON events;
DROP FUNCTION events_of_other_releases();
DROP VIEW events_as_entries;
ALTER TABLE events DROP COLUMN audited;
DROP TABLE audit_entries;
DROP FUNCTION audit_entries_stay();

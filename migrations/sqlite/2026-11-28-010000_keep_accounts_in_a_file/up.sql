-- Where a service account is kept: here, in the file of services, or in a file that it has left.
ALTER TABLE users ADD COLUMN kept_in TEXT NOT NULL DEFAULT 'database';

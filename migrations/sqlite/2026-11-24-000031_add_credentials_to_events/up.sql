-- What the key was called then.
ALTER TABLE events ADD COLUMN token_name TEXT;
-- By which key or session it was done, in words; a copy, as that may be gone by now.
ALTER TABLE events ADD COLUMN credential TEXT;
-- What else there is to say, such as the scope that was missing.
ALTER TABLE events ADD COLUMN detail TEXT;

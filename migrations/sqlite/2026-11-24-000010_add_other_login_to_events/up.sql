-- The login of the other person whom it is about: who did it, where that was somebody else; whose account it was,
-- where one was deleted. A copy, which stays readable when that person is gone.
ALTER TABLE events ADD COLUMN other_login TEXT;

-- The addresses and networks that the key may be used from, with a blank between each; NULL: anywhere. Every row of a key
-- repeats this. A text that a release cannot read lets nobody in.
ALTER TABLE tokens ADD COLUMN networks TEXT;

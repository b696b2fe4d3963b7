DROP TABLE key_endings;

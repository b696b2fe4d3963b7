-- What is kept about keys that end by themselves because nobody uses them; most keys have no row. A key is named by its
-- first secret.
CREATE TABLE key_endings (
    token_id BIGINT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    -- Since when its owner is told that it ends. A use after that makes it void.
    told_on TIMESTAMP,
    -- When somebody switched it on again, which counts as a use.
    counted_from TIMESTAMP,
    -- Why it does not end although nobody uses it; NULL: it does.
    exempt_because TEXT,
    PRIMARY KEY (token_id)
);

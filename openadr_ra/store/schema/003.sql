-- When each party was heard of last. It changes with every message and is written once a minute, so it is no part of a row.
CREATE TABLE seen (
    key TEXT    PRIMARY KEY,
    at  INTEGER NOT NULL
) WITHOUT ROWID;

-- What names a row goes with it.
CREATE INDEX aliases_key ON aliases (key);

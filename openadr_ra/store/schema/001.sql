-- Instants and spans are whole microseconds; instants count from 1970-01-01T00:00:00Z.

-- "OADR": what tells our files from other programs' SQLite files.
PRAGMA application_id = 1329677394;

CREATE TABLE states (
    key     TEXT    PRIMARY KEY,
    kind    TEXT    NOT NULL,
    format  INTEGER NOT NULL,
    version INTEGER NOT NULL,
    due     INTEGER,
    body    TEXT    NOT NULL
);
CREATE INDEX states_due ON states (due, key) WHERE due IS NOT NULL;

-- Numbers are never used twice, so that a number says for ever which letter it was.
CREATE TABLE mail (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key    TEXT    NOT NULL,
    body   TEXT    NOT NULL
);
CREATE INDEX mail_key ON mail (key, number);

CREATE TABLE aliases (
    alias TEXT PRIMARY KEY,
    key   TEXT NOT NULL
) WITHOUT ROWID;

-- `longest` bounds how far before an instant a reading that still touches it can have begun.
CREATE TABLE series (
    id      INTEGER PRIMARY KEY,
    name    TEXT    NOT NULL UNIQUE,
    longest INTEGER NOT NULL
);

CREATE TABLE qualities (
    code INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
);

CREATE TABLE readings (
    series   INTEGER NOT NULL,
    start    INTEGER NOT NULL,
    span     INTEGER NOT NULL,
    value    REAL    NOT NULL,
    quality  INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (series, start, span)
) WITHOUT ROWID;

CREATE TABLE journal (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    what    TEXT    NOT NULL,
    detail  TEXT    NOT NULL
);
CREATE INDEX journal_subject ON journal (subject, number);

CREATE TABLE nonces (
    nonce TEXT    PRIMARY KEY,
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX nonces_until ON nonces (until);

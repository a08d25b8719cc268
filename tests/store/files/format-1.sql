-- A whole file as schema 1 and row format 1 wrote it.
PRAGMA application_id = 1329677394;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE aliases (
    alias TEXT PRIMARY KEY,
    key   TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "aliases" VALUES('fingerprint','boiler/1');
CREATE TABLE journal (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    what    TEXT    NOT NULL,
    detail  TEXT    NOT NULL
);
INSERT INTO "journal" VALUES(1,'event/1',1814443200000000,'operator','opened','by hand');
CREATE TABLE mail (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key    TEXT    NOT NULL,
    body   TEXT    NOT NULL
);
INSERT INTO "mail" VALUES(1,'boiler/1','{"_":"Verdict","event_id":"e","modification":0,"opt":"optIn","reason":"on"}');
CREATE TABLE nonces (
    nonce TEXT    PRIMARY KEY,
    until INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "nonces" VALUES('nonce',1814443260000000);
CREATE TABLE qualities (
    code INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
);
INSERT INTO "qualities" VALUES(1,'Quality Good - Non Specific');
CREATE TABLE readings (
    series   INTEGER NOT NULL,
    start    INTEGER NOT NULL,
    span     INTEGER NOT NULL,
    value    REAL    NOT NULL,
    quality  INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (series, start, span)
) WITHOUT ROWID;
INSERT INTO "readings" VALUES(1,1814443200000000,60000000,2.25,1,0);
CREATE TABLE series (
    id      INTEGER PRIMARY KEY,
    name    TEXT    NOT NULL UNIQUE,
    longest INTEGER NOT NULL
);
INSERT INTO "series" VALUES(1,'ven-1/power',60000000);
CREATE TABLE states (
    key     TEXT    PRIMARY KEY,
    kind    TEXT    NOT NULL,
    format  INTEGER NOT NULL,
    version INTEGER NOT NULL,
    due     INTEGER,
    body    TEXT    NOT NULL
);
INSERT INTO "states" VALUES('boiler/1','Boiler',1,1,1814443260000000,'{"kw":3.5,"since":"2027-07-01T12:00:00Z","stages":{"1":1.5,"2":2.0}}');
CREATE INDEX states_due ON states (due, key) WHERE due IS NOT NULL;
CREATE INDEX mail_key ON mail (key, number);
CREATE INDEX journal_subject ON journal (subject, number);
CREATE INDEX nonces_until ON nonces (until);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('journal',1);
INSERT INTO "sqlite_sequence" VALUES('mail',1);
COMMIT;

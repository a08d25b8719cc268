-- Instants and spans are whole microseconds; instants count from 1970-01-01T00:00:00Z. Keys sort as their code points do.

-- `claimed`: until then a process has the row in hand, whose deadline has come.
CREATE TABLE states (
    key     text COLLATE "C" PRIMARY KEY,
    kind    text    NOT NULL,
    format  integer NOT NULL,
    version bigint  NOT NULL,
    due     bigint,
    claimed bigint  NOT NULL DEFAULT 0,
    body    text    NOT NULL
);
CREATE INDEX states_due ON states (due, key) WHERE due IS NOT NULL;

-- `changed` is the transaction that posted it: a number alone says nothing of who committed first.
CREATE TABLE mail (
    number  bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key     text COLLATE "C" NOT NULL,
    body    text    NOT NULL,
    changed xid8    NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX mail_key ON mail (key, number);
CREATE INDEX mail_changed ON mail (changed);

CREATE TABLE aliases (
    alias text COLLATE "C" PRIMARY KEY,
    key   text COLLATE "C" NOT NULL
);
CREATE INDEX aliases_key ON aliases (key);

-- `longest` bounds how far before an instant a reading that still touches it can have begun.
CREATE TABLE series (
    id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    text COLLATE "C" NOT NULL UNIQUE,
    longest bigint  NOT NULL
);

CREATE TABLE qualities (
    code smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text     NOT NULL UNIQUE
);

CREATE TABLE readings (
    series     integer  NOT NULL REFERENCES series,
    start      bigint   NOT NULL,
    span       bigint   NOT NULL,
    value      double precision NOT NULL,
    quality    smallint NOT NULL,
    revision   bigint   NOT NULL,
    confidence integer,
    accuracy   double precision,
    PRIMARY KEY (series, start, span)
);

CREATE TABLE journal (
    number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text COLLATE "C" NOT NULL,
    at      bigint NOT NULL,
    actor   text   NOT NULL,
    what    text   NOT NULL,
    detail  text   NOT NULL
);
CREATE INDEX journal_subject ON journal (subject, number);

CREATE TABLE nonces (
    nonce text   PRIMARY KEY,
    until bigint NOT NULL
);
CREATE INDEX nonces_until ON nonces (until);

-- When each party was heard of last.
CREATE TABLE seen (
    key text COLLATE "C" PRIMARY KEY,
    at  bigint NOT NULL
);

-- What one process alone sees to until its deadline.
CREATE TABLE duties (
    name     text PRIMARY KEY,
    deadline bigint NOT NULL
);

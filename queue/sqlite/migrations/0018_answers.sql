-- Who hears by mail of the messages of a submission, see sms.Audience.
CREATE TABLE audience (
    id         INTEGER PRIMARY KEY,
    submission BLOB NOT NULL CHECK (length(submission) = 16),
    account    TEXT NOT NULL,
    recipient  TEXT NOT NULL, -- address
    form       TEXT NOT NULL CHECK (form IN ('message', 'submission', 'dsn', 'inbound')),
    message    BLOB CHECK (length(message) = 16), -- NULL: all of the submission
    open       INTEGER NOT NULL, -- messages that are not over, of form submission
    body       TEXT NOT NULL CHECK (json_valid(body)), -- the rest of it
    created    INTEGER NOT NULL
) STRICT;

CREATE INDEX audience_by_submission ON audience (submission);
CREATE INDEX audience_by_time ON audience (created);

-- Answers by mail to messages from handsets: reply+token@.
CREATE TABLE conversation (
    token   TEXT PRIMARY KEY CHECK (length(token) >= 20),
    account TEXT NOT NULL, -- empty: the operator's
    number  TEXT NOT NULL,
    sim     TEXT NOT NULL,
    inbound INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX conversation_by_time ON conversation (created);
CREATE INDEX conversation_by_number ON conversation (number, created);

-- Mails that were told of a message from a handset: 1, and 2 after a late part.
ALTER TABLE inbound ADD COLUMN told INTEGER NOT NULL DEFAULT 0 CHECK (told BETWEEN 0 AND 2);

-- Mail to one address beyond the rate: event says how many were left out.
CREATE TABLE leftout (
    recipient TEXT PRIMARY KEY,
    event     INTEGER NOT NULL,
    due       INTEGER NOT NULL, -- when that leaves
    n         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX event_by_recipient ON event (recipient, created);

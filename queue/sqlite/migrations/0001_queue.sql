-- Times are UTC milliseconds; NULL is "never". Flags are 0 or 1.
-- What is checked with each hand-over is written with OR: for IN with more than two
-- values SQLite makes a table of them each time.

CREATE TABLE account (
    name          TEXT PRIMARY KEY CHECK (name <> ''),
    password_hash TEXT NOT NULL,
    api_id        INTEGER NOT NULL,
    credits       INTEGER NOT NULL, -- millionths; below zero only where unlimited
    unlimited     INTEGER NOT NULL CHECK (unlimited IN (0, 1)),
    networks      TEXT NOT NULL, -- prefixes, separated by spaces
    report        INTEGER NOT NULL CHECK (report IN (0, 1)),
    short_codes   INTEGER NOT NULL CHECK (short_codes IN (0, 1)),
    concat        INTEGER NOT NULL CHECK (concat BETWEEN 0 AND 255),
    on_unknown    TEXT NOT NULL CHECK (on_unknown IN ('', 'resend', 'hold')),
    created       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- account is a name, not a reference: the history outlives the customer.
CREATE TABLE message (
    seq         INTEGER PRIMARY KEY, -- order of arrival
    id          BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    submission  BLOB NOT NULL CHECK (length(submission) = 16),
    account     TEXT NOT NULL,
    source      TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    sender      TEXT NOT NULL,
    client_id   TEXT NOT NULL,
    only_sim    TEXT NOT NULL,
    text        TEXT NOT NULL,
    priority    INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 3),
    escalate    INTEGER NOT NULL CHECK (escalate BETWEEN 0 AND 2),
    resend      INTEGER NOT NULL CHECK (resend IN (0, 1)),
    report      INTEGER NOT NULL CHECK (report IN (0, 1)),
    state       TEXT NOT NULL CHECK (state = 'queued' OR state = 'scheduled' OR state = 'held' OR state = 'sending' OR
                                            state = 'sent' OR state = 'delivered' OR state = 'unknown' OR
                                            state = 'failed' OR state = 'expired' OR state = 'cancelled'),
    due         INTEGER CHECK (due IS NOT NULL OR state NOT IN ('queued', 'scheduled')),
    review      INTEGER,
    expires     INTEGER NOT NULL,
    lane        TEXT NOT NULL,
    avoid       TEXT NOT NULL,
    avoid_until INTEGER,
    tries       INTEGER NOT NULL CHECK (tries >= 0),
    price       INTEGER NOT NULL CHECK (price >= 0),
    why         TEXT NOT NULL,
    duplicate   INTEGER NOT NULL CHECK (duplicate IN (0, 1)),
    created     INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    notes       INTEGER NOT NULL, -- lines of the timeline
    doubts      INTEGER NOT NULL CHECK (doubts >= 0) -- hand-overs of unknown outcome
) STRICT;

-- What a claim decides by is all in the index, so that passing over a row
-- (it avoids the SIM, or has expired) reads no other page.
CREATE INDEX message_claim ON message (lane, priority, due, seq, avoid, avoid_until, expires)
    WHERE state = 'queued';
CREATE INDEX message_review ON message (review)
    WHERE review IS NOT NULL AND state <> 'sending';
CREATE INDEX message_by_recipient ON message (recipient, seq);
-- The states that most messages pass through are found newest first without it.
CREATE INDEX message_by_state ON message (state, seq)
    WHERE state <> 'queued' AND state <> 'sending' AND state <> 'sent' AND state <> 'delivered';
CREATE INDEX message_by_account ON message (account, seq);

CREATE TABLE part (
    message INTEGER NOT NULL REFERENCES message (seq) ON DELETE CASCADE,
    n       INTEGER NOT NULL CHECK (n BETWEEN 1 AND 255),
    tpdu    BLOB NOT NULL,
    state   TEXT NOT NULL CHECK (state = 'queued' OR state = 'sending' OR state = 'sent' OR
                                        state = 'delivered' OR state = 'unknown' OR state = 'failed'),
    sim     TEXT NOT NULL,
    mr      INTEGER NOT NULL CHECK (mr BETWEEN 0 AND 255),
    PRIMARY KEY (message, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
    id         INTEGER PRIMARY KEY,
    message    INTEGER NOT NULL REFERENCES message (seq) ON DELETE CASCADE,
    part       INTEGER NOT NULL,
    sim        TEXT NOT NULL,
    modem      TEXT NOT NULL,
    repeat     INTEGER NOT NULL CHECK (repeat IN (0, 1)), -- asked the SC to reject a duplicate
    asked      INTEGER NOT NULL CHECK (asked BETWEEN 0 AND 255), -- TP-MR asked for, of a repeat; else it is the low octet of id
    outcome    TEXT NOT NULL CHECK (outcome = 'open' OR outcome = 'accepted' OR outcome = 'refused' OR
                                             outcome = 'unknown' OR outcome = 'not sent'),
    mr         INTEGER CHECK (mr BETWEEN 0 AND 255),
    cause_set  INTEGER NOT NULL,
    cause_code INTEGER NOT NULL,
    detail     TEXT NOT NULL,
    status     INTEGER CHECK (status BETWEEN 0 AND 255), -- TP-ST of the last report on it
    obsolete   INTEGER NOT NULL CHECK (obsolete IN (0, 1)), -- its message started over since
    started    INTEGER NOT NULL,
    ended      INTEGER CHECK ((ended IS NULL) = (outcome = 'open')),
    CHECK (mr IS NULL OR outcome = 'accepted'), -- NULL when accepted: the modem named none
    FOREIGN KEY (message, part) REFERENCES part (message, n) ON DELETE CASCADE
) STRICT;

CREATE INDEX attempt_by_part ON attempt (message, part);
CREATE INDEX attempt_open ON attempt (id) WHERE outcome = 'open';
CREATE INDEX attempt_by_reference ON attempt (sim, mr, id) WHERE outcome = 'accepted';
CREATE INDEX attempt_unknown ON attempt (sim, id) WHERE outcome = 'unknown';

CREATE TABLE timeline (
    message INTEGER NOT NULL REFERENCES message (seq) ON DELETE CASCADE,
    n       INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    event   TEXT NOT NULL,
    detail  TEXT NOT NULL,
    PRIMARY KEY (message, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE report (
    id       INTEGER PRIMARY KEY,
    sim      TEXT NOT NULL,
    modem    TEXT NOT NULL,
    tpdu     BLOB NOT NULL,
    mr       INTEGER CHECK (mr BETWEEN 0 AND 255), -- NULL: no status report could be read from it
    received INTEGER NOT NULL,
    attempt  INTEGER REFERENCES attempt (id) ON DELETE SET NULL, -- that it is about; NULL: not known
    UNIQUE (sim, tpdu)
) STRICT;

CREATE INDEX report_unmatched ON report (sim, mr, received) WHERE attempt IS NULL;
CREATE INDEX report_by_attempt ON report (attempt) WHERE attempt IS NOT NULL;

CREATE TABLE inbound (
    id       INTEGER PRIMARY KEY,
    sim      TEXT NOT NULL,
    modem    TEXT NOT NULL,
    tpdu     BLOB NOT NULL,
    sender   TEXT NOT NULL,
    text     TEXT NOT NULL,
    received INTEGER NOT NULL,
    UNIQUE (sim, tpdu)
) STRICT;

CREATE TABLE event (
    id        INTEGER PRIMARY KEY,
    door      TEXT NOT NULL,
    account   TEXT NOT NULL,
    message   BLOB CHECK (length(message) = 16),
    recipient TEXT NOT NULL,
    subject   TEXT NOT NULL,
    ref       TEXT NOT NULL,
    text      TEXT NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    due       INTEGER CHECK (due IS NOT NULL OR state <> 'waiting'),
    tries     INTEGER NOT NULL CHECK (tries >= 0),
    why       TEXT NOT NULL,
    created   INTEGER NOT NULL
) STRICT;

CREATE INDEX event_due ON event (due, id) WHERE state = 'waiting';

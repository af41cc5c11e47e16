-- Messages from handsets, as rows of earlier releases: Open takes them in.
ALTER TABLE inbound RENAME TO inbound_before_3;

-- What came off the air, for ever: a message that cannot be deleted from a SIM
-- is not taken in again when its row is gone.
CREATE TABLE ledger (
    sim         TEXT NOT NULL,
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    scts        INTEGER, -- NULL: no date, or unreadable
    received    INTEGER NOT NULL,
    PRIMARY KEY (sim, fingerprint)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbound (
    id          INTEGER PRIMARY KEY,
    sim         TEXT NOT NULL,
    modem       TEXT NOT NULL,
    received    INTEGER NOT NULL, -- the newest part
    concat      TEXT, -- what its parts have in common; NULL: it has one
    due         INTEGER, -- when it is handed over without the missing parts; NULL: it has been handed over
    sender      TEXT NOT NULL,
    text        TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('text', 'flash', 'silent', 'waiting', 'wap push', 'mms', 'data', 'sim', 'unreadable')),
    detail      TEXT NOT NULL,
    pid         INTEGER NOT NULL CHECK (pid BETWEEN 0 AND 255),
    parts       INTEGER NOT NULL CHECK (parts BETWEEN 1 AND 255),
    missing     TEXT NOT NULL, -- numbers of parts, separated by spaces
    scts        INTEGER,
    replaced_by INTEGER REFERENCES inbound (id) ON DELETE SET NULL,
    CHECK (due IS NULL OR concat IS NOT NULL)
) STRICT;

CREATE INDEX inbound_by_time ON inbound (received, id) WHERE due IS NULL;
CREATE INDEX inbound_due ON inbound (due) WHERE due IS NOT NULL;
CREATE INDEX inbound_by_concat ON inbound (sim, concat, id) WHERE concat IS NOT NULL;
-- 65 to 71 are the replace types of TP-PID.
CREATE INDEX inbound_current ON inbound (sim, sender, pid) WHERE pid BETWEEN 65 AND 71 AND replaced_by IS NULL;
CREATE INDEX inbound_replaced ON inbound (replaced_by) WHERE replaced_by IS NOT NULL;

CREATE TABLE inbound_part (
    inbound  INTEGER NOT NULL REFERENCES inbound (id) ON DELETE CASCADE,
    n        INTEGER NOT NULL CHECK (n BETWEEN 1 AND 255),
    tpdu     BLOB NOT NULL,
    received INTEGER NOT NULL,
    PRIMARY KEY (inbound, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE card (
    id         INTEGER PRIMARY KEY,
    iccid      TEXT NOT NULL,
    imsi       TEXT NOT NULL CHECK (iccid <> '' OR imsi <> ''),
    name       TEXT NOT NULL, -- empty: another has taken it over
    makeshift  INTEGER NOT NULL CHECK (makeshift IN (0, 1)),
    modem      TEXT NOT NULL, -- empty: another has been seen in its slot since
    slot       INTEGER NOT NULL,
    configured TEXT NOT NULL,
    seen       INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX card_by_name ON card (name) WHERE name <> '';

-- The newest reports that matched show the clock of a service centre.
CREATE INDEX report_matched ON report (sim, id) WHERE attempt IS NOT NULL;
-- At the end of every hand-over the reports are looked at that came meanwhile.
DROP INDEX report_unmatched;
CREATE INDEX report_kept ON report (sim, received) WHERE attempt IS NULL;

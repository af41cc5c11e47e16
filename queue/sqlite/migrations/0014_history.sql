-- Once a day, while the clock is sound: the numbers given so far. They tell the
-- age of what is stored; its own times may be those of a clock that was lost.
CREATE TABLE mark (
    at      INTEGER PRIMARY KEY,
    message INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    inbound INTEGER NOT NULL,
    event   INTEGER NOT NULL
) STRICT;

-- Since when the clock has not been set by more than a day.
CREATE TABLE steady (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    since INTEGER NOT NULL
) STRICT;

-- How much the service centre of a SIM is ahead, as reports had shown whose
-- messages have left the live tables.
CREATE TABLE centre (
    sim   TEXT PRIMARY KEY,
    ahead INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX ledger_by_time ON ledger (received);

-- named: it still has its numbers and texts.
ALTER TABLE inbound ADD COLUMN named INTEGER NOT NULL DEFAULT 1 CHECK (named IN (0, 1));
ALTER TABLE event ADD COLUMN named INTEGER NOT NULL DEFAULT 1 CHECK (named IN (0, 1));
CREATE INDEX inbound_named ON inbound (id) WHERE named AND due IS NULL;
CREATE INDEX event_named ON event (id) WHERE named AND state <> 'waiting';

-- Each month:
-- Messages that were over in a month, "history_month" standing for its table.
-- A later migration that changes these tables has a part like this.
CREATE TABLE history_month (
    seq     INTEGER PRIMARY KEY, -- as it was in message
    id      BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    account TEXT NOT NULL,
    state   TEXT NOT NULL CHECK (state IN ('sent', 'delivered', 'unknown', 'failed', 'expired', 'cancelled')),
    ended   INTEGER NOT NULL,
    named   INTEGER NOT NULL CHECK (named IN (0, 1)),
    body    BLOB NOT NULL -- all of it, see sqlite.packer
) STRICT;

CREATE INDEX history_month_state ON history_month (state, seq);
CREATE INDEX history_month_account ON history_month (account, state, seq);
CREATE INDEX history_month_named ON history_month (seq) WHERE named;

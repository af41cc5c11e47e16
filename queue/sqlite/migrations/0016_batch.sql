-- Submissions of more than one message, and how far they have come. The numbers
-- change in the transactions that change the messages: see batch.go.
CREATE TABLE batch (
    id        BLOB PRIMARY KEY CHECK (length(id) = 16),
    account   TEXT NOT NULL,
    source    TEXT NOT NULL,
    created   INTEGER NOT NULL,
    first     INTEGER NOT NULL, -- its messages are among those from first to last
    last      INTEGER NOT NULL, -- 0: it is coming in
    waiting   INTEGER NOT NULL DEFAULT 0, -- to be sent, or being sent
    sent      INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    unknown   INTEGER NOT NULL DEFAULT 0,
    failed    INTEGER NOT NULL DEFAULT 0,
    expired   INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX batch_by_time ON batch (created);

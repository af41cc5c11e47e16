-- Batches that come in by more than one transaction, and have not all arrived in
-- their lanes.
CREATE TABLE intake (
    id       INTEGER PRIMARY KEY,
    batch    BLOB NOT NULL CHECK (length(batch) = 16), -- the ID of its first message
    first    INTEGER NOT NULL, -- its messages are among these
    last     INTEGER NOT NULL,
    accepted INTEGER -- when the submitter could be told; NULL: it was not
) STRICT;

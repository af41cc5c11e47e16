-- Handsets join parts by originator and concatenation reference, so each SIM counts
-- for each number apart.
CREATE TABLE reference (
    sim       TEXT NOT NULL,
    recipient TEXT NOT NULL,
    last      INTEGER NOT NULL,
    used      INTEGER NOT NULL,
    PRIMARY KEY (sim, recipient)
) STRICT, WITHOUT ROWID;

CREATE INDEX reference_by_age ON reference (used);

-- The one that the hand-over of a part went out with.
ALTER TABLE attempt ADD COLUMN concat INTEGER;
-- Until then its line has to say how it ended.
ALTER TABLE attempt ADD COLUMN lease INTEGER;

DROP INDEX attempt_open;
CREATE INDEX attempt_open ON attempt (lease, id) WHERE outcome = 'open';

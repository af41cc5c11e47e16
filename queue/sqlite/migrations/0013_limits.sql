-- What a SIM with limits has sent, as sms.Usage in JSON.
CREATE TABLE usage (
    sim  TEXT PRIMARY KEY,
    used TEXT NOT NULL CHECK (json_valid(used))
) STRICT, WITHOUT ROWID;

-- The routing rules by which what waits has its lanes.
CREATE TABLE routing (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    rules TEXT NOT NULL -- sms.Rules.Routing
) STRICT;

-- The clocks when the gateway last looked at them: what was set meanwhile shows.
CREATE TABLE clock (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    boot TEXT NOT NULL,    -- names the start of the machine
    up   INTEGER NOT NULL, -- milliseconds since then
    wall INTEGER NOT NULL
) STRICT;

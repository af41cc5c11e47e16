-- The lanes in use are found at every start, with message_claim for what is queued.
CREATE INDEX message_waiting ON message (lane)
    WHERE state = 'scheduled' OR state = 'held' OR state = 'unknown';

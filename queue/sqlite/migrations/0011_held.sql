-- The time of the clock at which a message is to leave; NULL: as soon as its delay is over.
ALTER TABLE message ADD COLUMN at INTEGER CHECK (at IS NOT NULL OR state <> 'held');

-- What waits for such a time is found by it, not by review: whether it has come
-- depends on whether the clock is trusted.
CREATE INDEX message_timed ON message (state, at)
    WHERE at IS NOT NULL AND (state = 'scheduled' OR state = 'held');

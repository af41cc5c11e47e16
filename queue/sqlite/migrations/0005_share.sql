-- The accounts that have something to send in a lane are found without reading
-- their messages, and each one's next message in one step.
DROP INDEX message_claim;
CREATE INDEX message_claim ON message (lane, priority, account, due, seq, avoid, avoid_until, expires)
    WHERE state = 'queued';

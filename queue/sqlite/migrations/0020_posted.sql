-- Mails that count for the rate of their address: all but the answers to what it sent.
DROP INDEX event_by_recipient;
CREATE INDEX event_by_recipient ON event (recipient, created) WHERE generated OR message IS NOT NULL;

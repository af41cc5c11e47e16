-- Numbers that are kept, not counted: see count.go. They change in the
-- transaction that changes what they are about. One table: a transaction writes
-- one page more.
CREATE TABLE counter (
    total    INTEGER NOT NULL CHECK (total IN (0, 1)), -- 1: never goes down, of all accounts
    name     TEXT NOT NULL, -- a state of messages (what is being sent is queued), or what is totalled
    priority INTEGER NOT NULL,
    account  TEXT NOT NULL,
    n        INTEGER NOT NULL, -- one that is wrong must not keep a message from being sent: no CHECK
    PRIMARY KEY (total, name, priority, account)
) STRICT, WITHOUT ROWID;

INSERT INTO counter (total, name, priority, account, n)
    SELECT 0, CASE state WHEN 'sending' THEN 'queued' ELSE state END, priority, account, count(*) FROM message GROUP BY 2, 3, 4;
INSERT INTO counter (total, name, priority, account, n)
    SELECT 1, 'accepted', 0, '', sum(n) FROM counter WHERE NOT total HAVING sum(n) > 0;
INSERT INTO counter (total, name, priority, account, n)
    SELECT 1, name, 0, '', sum(n) FROM counter
    WHERE NOT total AND name IN ('delivered', 'failed', 'expired', 'cancelled', 'unknown') GROUP BY 2;
INSERT INTO counter (total, name, priority, account, n)
    SELECT 1, 'sent', 0, '', sum(n) FROM counter WHERE NOT total AND name IN ('sent', 'delivered') HAVING sum(n) > 0;
INSERT INTO counter (total, name, priority, account, n)
    SELECT 1, 'possible duplicate', 0, '', count(*) FROM message WHERE duplicate HAVING count(*) > 0;
-- Those that were not sent cannot be told from claims given back.
INSERT INTO counter (total, name, priority, account, n)
    SELECT 1, 'hand-over ' || outcome, 0, '', count(*) FROM attempt
    WHERE outcome IN ('accepted', 'refused', 'unknown') AND sim <> '' GROUP BY outcome;

-- Whoever sends a message again has to know whether its price was given back.
ALTER TABLE message ADD COLUMN refunded INTEGER NOT NULL DEFAULT 0 CHECK (refunded IN (0, 1));
UPDATE message SET refunded = 1 WHERE state IN ('failed', 'expired', 'cancelled')
    AND EXISTS (SELECT 1 FROM timeline WHERE message = seq AND detail LIKE '%; price given back');

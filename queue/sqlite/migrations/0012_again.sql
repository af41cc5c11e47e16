-- What follows where no handset confirms: milliseconds, 0 for nothing; the second
-- number, empty for another SIM. again: it went again.
ALTER TABLE account ADD COLUMN report_within INTEGER NOT NULL DEFAULT 0 CHECK (report_within >= 0);
ALTER TABLE account ADD COLUMN report_then TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN report_within INTEGER NOT NULL DEFAULT 0 CHECK (report_within >= 0);
ALTER TABLE message ADD COLUMN report_then TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN again INTEGER NOT NULL DEFAULT 0 CHECK (again IN (0, 1));
ALTER TABLE message ADD COLUMN fault TEXT NOT NULL DEFAULT '' CHECK (fault = '' OR fault = 'content' OR fault = 'route' OR fault = 'credit');
-- 0: of the copy that counts; else of which whole copy before it.
ALTER TABLE attempt ADD COLUMN copy INTEGER NOT NULL DEFAULT 0;
-- Where the customer of a submission was answered, there it hears of its messages.
ALTER TABLE event ADD COLUMN submission BLOB CHECK (length(submission) = 16);
CREATE INDEX event_by_submission ON event (submission) WHERE submission IS NOT NULL;

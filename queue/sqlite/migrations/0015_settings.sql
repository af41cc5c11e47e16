-- What accounts have agreed about scripts and mail: JSON, see sms.Settings.
ALTER TABLE account ADD COLUMN settings TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(settings));
-- Of a mail that is more than a text: reply_to, whether it answers nothing
-- (generated), and its further parts as JSON, see sms.EventPart.
ALTER TABLE event ADD COLUMN reply_to TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN generated INTEGER NOT NULL DEFAULT 0 CHECK (generated IN (0, 1));
ALTER TABLE event ADD COLUMN parts TEXT CHECK (json_valid(parts));

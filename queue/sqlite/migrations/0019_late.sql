-- When who asked for it hears that a message has not left; NULL: not, or not any more.
ALTER TABLE audience ADD COLUMN late INTEGER;
CREATE INDEX audience_by_late ON audience (late) WHERE late IS NOT NULL;

-- A submission whose messages are listed when the event leaves; NULL: none.
ALTER TABLE event ADD COLUMN list BLOB CHECK (length(list) = 16);

-- The SIM's own number: a message from it is taken before the SIM is seen again.
ALTER TABLE card ADD COLUMN number TEXT NOT NULL DEFAULT '';

-- What becomes of text that GSM 7-bit lacks, and which national tables may help.
ALTER TABLE account ADD COLUMN non_gsm TEXT NOT NULL DEFAULT ''
    CHECK (non_gsm IN ('', 'ucs2', 'transliterate', 'reject'));
ALTER TABLE account ADD COLUMN languages TEXT NOT NULL DEFAULT ''; -- names, separated by spaces

-- A repeated submission is known by its climsgid and number.
CREATE INDEX message_by_client ON message (account, client_id, recipient, seq) WHERE client_id <> '';

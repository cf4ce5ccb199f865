-- How to speak with an account's server, as earlier sessions found out. Not derived: what is lost here is found out again.
CREATE TABLE dialog (
    account             INTEGER PRIMARY KEY REFERENCES account (number),
    one_at_a_time_until INTEGER NOT NULL DEFAULT 0,    -- pipelining went wrong; milliseconds since 1970-01-01 UTC
    headers_differ_until INTEGER NOT NULL DEFAULT 0    -- TOP gives other header blocks than RETR
) STRICT;

-- Mail that a server does not list any more though nobody here deleted it, to be known again by size and header block
-- should it come back under whatever unique-id.
CREATE INDEX sighting_absent ON sighting (account, listed_bytes)
    WHERE gone_ms IS NOT NULL AND deleting_ms IS NULL AND message IS NOT NULL;

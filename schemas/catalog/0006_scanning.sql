-- What is sealed off, who decided what about it and who looked at it; what the scanner said last of octets that many
-- messages have; how far the archive was scanned again; and indices to count by.

-- Since when the octets are destroyed. The row stays: fetched again, they are not brought back.
ALTER TABLE message ADD COLUMN purged_ms INTEGER;

DROP TRIGGER message_is_marked;
DROP TRIGGER message_is_marked_anew;
UPDATE message SET mark = fingerprint(number, id, nonce, header, size_bytes, kept_ms, pack, ordinal, journal,
    verdict, indexed_ms, date_ms, from_line, to_line, subject, attachments, purged_ms);
CREATE TRIGGER message_is_marked AFTER INSERT ON message BEGIN
    UPDATE message SET mark = fingerprint(NEW.number, NEW.id, NEW.nonce, NEW.header, NEW.size_bytes, NEW.kept_ms,
        NEW.pack, NEW.ordinal, NEW.journal, NEW.verdict, NEW.indexed_ms,
        NEW.date_ms, NEW.from_line, NEW.to_line, NEW.subject, NEW.attachments, NEW.purged_ms)
    WHERE number = NEW.number;
END;
CREATE TRIGGER message_is_marked_anew AFTER UPDATE ON message BEGIN
    UPDATE message SET mark = fingerprint(NEW.number, NEW.id, NEW.nonce, NEW.header, NEW.size_bytes, NEW.kept_ms,
        NEW.pack, NEW.ordinal, NEW.journal, NEW.verdict, NEW.indexed_ms,
        NEW.date_ms, NEW.from_line, NEW.to_line, NEW.subject, NEW.attachments, NEW.purged_ms)
    WHERE number = NEW.number;
END;

CREATE INDEX message_by_size ON message (size_bytes);
CREATE INDEX message_unindexed ON message (number) WHERE indexed_ms IS NULL;
CREATE INDEX message_purged ON message (pack, ordinal) WHERE purged_ms IS NOT NULL;

-- Octets that are sealed off: a part as it is decoded, or a whole message.
CREATE TABLE quarantine (
    number     INTEGER PRIMARY KEY,
    blob       BLOB NOT NULL UNIQUE CHECK (length(blob) = 32),
    size_bytes INTEGER NOT NULL,
    signature  TEXT NOT NULL,                          -- what was found in it last
    state      TEXT NOT NULL CHECK (state IN ('sealed', 'released', 'purged')),
    since_ms   INTEGER NOT NULL,                       -- found first
    changed_ms INTEGER NOT NULL,
    asked_ms   INTEGER,                                -- somebody wants it released, and a second person has to agree
    asked_by   TEXT,
    asked_why  TEXT,
    mark       INTEGER
) STRICT;
CREATE TRIGGER quarantine_is_marked AFTER INSERT ON quarantine BEGIN
    UPDATE quarantine SET mark = fingerprint(NEW.number, NEW.blob, NEW.size_bytes, NEW.signature, NEW.state,
        NEW.since_ms, NEW.changed_ms, NEW.asked_ms, NEW.asked_by, NEW.asked_why)
    WHERE number = NEW.number;
END;
CREATE TRIGGER quarantine_is_marked_anew AFTER UPDATE ON quarantine BEGIN
    UPDATE quarantine SET mark = fingerprint(NEW.number, NEW.blob, NEW.size_bytes, NEW.signature, NEW.state,
        NEW.since_ms, NEW.changed_ms, NEW.asked_ms, NEW.asked_by, NEW.asked_why)
    WHERE number = NEW.number;
END;

-- In which messages it was found. Both columns stand in an index, too, which SQLite compares.
CREATE TABLE occurrence (
    item    INTEGER NOT NULL REFERENCES quarantine (number),
    message INTEGER NOT NULL REFERENCES message (number),
    PRIMARY KEY (item, message)
) STRICT, WITHOUT ROWID;
CREATE INDEX occurrence_by_message ON occurrence (message, item);

-- Every release ever: a person's word on one finding in these octets.
CREATE TABLE release (
    number    INTEGER PRIMARY KEY,
    item      INTEGER NOT NULL REFERENCES quarantine (number),
    signature TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    decider   TEXT NOT NULL,
    asked_by  TEXT,
    mark      INTEGER
) STRICT;
CREATE INDEX release_of_item ON release (item, signature);
CREATE TRIGGER release_is_marked AFTER INSERT ON release BEGIN
    UPDATE release SET mark = fingerprint(NEW.number, NEW.item, NEW.signature, NEW.at_ms, NEW.reason, NEW.decider,
        NEW.asked_by)
    WHERE number = NEW.number;
END;

-- Who read a message, or took it out of the archive.
CREATE TABLE reading (
    number  INTEGER PRIMARY KEY,
    message INTEGER NOT NULL REFERENCES message (number),
    kind    TEXT NOT NULL CHECK (kind IN ('viewed', 'exported')),
    what    TEXT NOT NULL,
    reader  TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    reason  TEXT,
    mark    INTEGER
) STRICT;
CREATE INDEX reading_of_message ON reading (message, number);
CREATE TRIGGER reading_is_marked AFTER INSERT ON reading BEGIN
    UPDATE reading SET mark = fingerprint(NEW.number, NEW.message, NEW.kind, NEW.what, NEW.reader, NEW.at_ms,
        NEW.reason)
    WHERE number = NEW.number;
END;

-- Every rescan that came to its end.
CREATE TABLE rescanned (
    number        INTEGER PRIMARY KEY,
    why           TEXT NOT NULL,
    signature_set TEXT NOT NULL,
    began_ms      INTEGER NOT NULL,
    ended_ms      INTEGER NOT NULL,
    messages      INTEGER NOT NULL,
    parts         INTEGER NOT NULL,
    changed       INTEGER NOT NULL,
    infected      INTEGER NOT NULL,
    mark          INTEGER
) STRICT;
CREATE TRIGGER rescanned_is_marked AFTER INSERT ON rescanned BEGIN
    UPDATE rescanned SET mark = fingerprint(NEW.number, NEW.why, NEW.signature_set, NEW.began_ms, NEW.ended_ms,
        NEW.messages, NEW.parts, NEW.changed, NEW.infected)
    WHERE number = NEW.number;
END;

-- Notes of the scan stage, no facts. What the scanner said last of octets that a part has, and with which signatures.
CREATE TABLE answer (
    blob          BLOB PRIMARY KEY CHECK (length(blob) = 32),
    signature_set TEXT NOT NULL,
    verdict       TEXT NOT NULL,
    detail        TEXT,
    mark          INTEGER NOT NULL                     -- looked at before the row is believed
) STRICT, WITHOUT ROWID;

-- The last rescan with other signatures: every message below this number is still to be scanned; none, when it has ended.
CREATE TABLE rescan (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    why           TEXT NOT NULL,
    signature_set TEXT NOT NULL,
    began_ms      INTEGER NOT NULL,
    below         INTEGER NOT NULL,
    total         INTEGER NOT NULL,
    messages      INTEGER NOT NULL DEFAULT 0,
    parts         INTEGER NOT NULL DEFAULT 0,
    changed       INTEGER NOT NULL DEFAULT 0,
    infected      INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Every message whose octets a person had destroyed, by which entry of the journal, and why.
CREATE TABLE purge (
    message INTEGER PRIMARY KEY REFERENCES message (number),
    journal INTEGER NOT NULL,                          -- nothing is destroyed before a checkpoint covers it
    at_ms   INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    decider TEXT NOT NULL,
    mark    INTEGER
) STRICT;
CREATE TRIGGER purge_is_marked AFTER INSERT ON purge BEGIN
    UPDATE purge SET mark = fingerprint(NEW.message, NEW.journal, NEW.at_ms, NEW.reason, NEW.decider)
    WHERE message = NEW.message;
END;

-- A note of the purge stage, no fact: packs whose files may still hold octets of such messages. A message that is to go
-- from the index is due there like one that is to come.
CREATE TABLE purging (
    pack  INTEGER PRIMARY KEY REFERENCES pack (number),
    error TEXT                                         -- why it could not be written anew; tried again at the next start
) STRICT;

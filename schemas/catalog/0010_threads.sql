-- Which messages belong to one thread, what people say of messages, and the searches they keep.

-- Notes of the index stage, no facts: read from the octets, and found out anew with the index. A family is all messages that
-- a chain of references holds together; it is called by the number of one of them. A thread is all families that stray replies
-- hold together, and stands nowhere: it is followed when it is asked for. The rows write their fingerprints themselves.
CREATE TABLE tie (
    message INTEGER PRIMARY KEY REFERENCES message (number),
    family  INTEGER NOT NULL,
    date_ms INTEGER NOT NULL,                          -- when it was written, as it says; else when it was kept
    ids     BLOB NOT NULL,                             -- hashes of the ids it names, its own first: 8 octets each
    subject INTEGER,                                   -- hash of its subject without reply marks
    stray   INTEGER NOT NULL CHECK (stray = 0 OR stray = 1), -- it answers something, and does not say what
    after   INTEGER,                                   -- of a stray reply, the message that it is taken to answer
    mark    INTEGER NOT NULL
) STRICT;
CREATE INDEX tie_by_family ON tie (family, date_ms, message);
CREATE INDEX tie_by_subject ON tie (subject, after) WHERE subject IS NOT NULL;
CREATE INDEX tie_by_after ON tie (after) WHERE after IS NOT NULL;

-- Every id that a message names, its own or another's, and the family of all that name it.
CREATE TABLE named (
    id     INTEGER PRIMARY KEY,
    family INTEGER NOT NULL,
    mark   INTEGER NOT NULL
) STRICT;

-- The words that people put on messages.
CREATE TABLE tag (
    name    TEXT NOT NULL,
    message INTEGER NOT NULL REFERENCES message (number),
    at_ms   INTEGER NOT NULL,
    tagger  TEXT NOT NULL,
    mark    INTEGER,
    PRIMARY KEY (name, message)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_of_message ON tag (message, name);
CREATE TRIGGER tag_is_marked AFTER INSERT ON tag BEGIN
    UPDATE tag SET mark = fingerprint(NEW.name, NEW.message, NEW.at_ms, NEW.tagger)
    WHERE name = NEW.name AND message = NEW.message;
END;

-- What people wrote about messages. None is ever changed; who errs writes another one.
CREATE TABLE note (
    number  INTEGER PRIMARY KEY,
    message INTEGER NOT NULL REFERENCES message (number),
    at_ms   INTEGER NOT NULL,
    author  TEXT NOT NULL,
    text    TEXT NOT NULL,
    mark    INTEGER
) STRICT;
CREATE INDEX note_of_message ON note (message, number);
CREATE TRIGGER note_is_marked AFTER INSERT ON note BEGIN
    UPDATE note SET mark = fingerprint(NEW.number, NEW.message, NEW.at_ms, NEW.author, NEW.text)
    WHERE number = NEW.number;
END;

-- Searches that have a name.
CREATE TABLE saved (
    name   TEXT PRIMARY KEY,
    query  TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    author TEXT NOT NULL,
    mark   INTEGER
) STRICT, WITHOUT ROWID;
CREATE TRIGGER saved_is_marked AFTER INSERT ON saved BEGIN
    UPDATE saved SET mark = fingerprint(NEW.name, NEW.query, NEW.at_ms, NEW.author)
    WHERE name = NEW.name;
END;

-- What was indexed before has no threads yet.
UPDATE message SET indexed_ms = NULL WHERE purged_ms IS NULL;
INSERT OR REPLACE INTO work (stage, message, due_ms) SELECT 'index', number, 0 FROM message WHERE purged_ms IS NULL;

-- Attachments with text in them: which messages have them, what was read in them, and by which extractor.

-- The part of a message is a document, or encrypted mail that nobody here can read. Those that wait are the queue.
CREATE TABLE document (
    message INTEGER NOT NULL REFERENCES message (number),
    part    INTEGER NOT NULL,
    content BLOB NOT NULL CHECK (length(content) = 32),    -- SHA-256 of the part's octets
    state   TEXT NOT NULL
            CHECK (state IN ('waiting', 'read', 'partial', 'encrypted', 'unsupported', 'failed', 'crashed')),
    mark    INTEGER,
    PRIMARY KEY (message, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_unread ON document (state, message) WHERE state <> 'read';
CREATE INDEX document_by_content ON document (content);
CREATE TRIGGER document_is_marked AFTER INSERT ON document BEGIN
    UPDATE document SET mark = fingerprint(NEW.message, NEW.part, NEW.content, NEW.state)
    WHERE message = NEW.message AND part = NEW.part;
END;
CREATE TRIGGER document_is_marked_anew AFTER UPDATE ON document WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE document SET mark = fingerprint(NEW.message, NEW.part, NEW.content, NEW.state)
    WHERE message = NEW.message AND part = NEW.part;
END;

-- Equal octets are read once, however many messages have them.
CREATE TABLE extraction (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,              -- never given twice: tells a later reading from an earlier one
    content BLOB NOT NULL UNIQUE CHECK (length(content) = 32),
    version INTEGER NOT NULL,                              -- of the extractor
    state   TEXT NOT NULL
            CHECK (state IN ('read', 'partial', 'encrypted', 'unsupported', 'failed', 'crashed')),
    detail  TEXT,                                          -- why it is not read
    text    BLOB NOT NULL,                                 -- UTF-8, compressed with zstd
    mark    INTEGER
) STRICT;
CREATE TRIGGER extraction_is_marked AFTER INSERT ON extraction BEGIN
    UPDATE extraction SET mark = fingerprint(NEW.number, NEW.content, NEW.version, NEW.state, NEW.detail, NEW.text)
    WHERE number = NEW.number;
END;
CREATE TRIGGER extraction_is_marked_anew AFTER UPDATE ON extraction WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE extraction SET mark = fingerprint(NEW.number, NEW.content, NEW.version, NEW.state, NEW.detail, NEW.text)
    WHERE number = NEW.number;
END;

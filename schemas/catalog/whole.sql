-- All migrations in one, for a new catalog. Made by them: UPDATE=1 cargo test a_new_catalog.

CREATE TABLE archive (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
, mark INTEGER) STRICT, WITHOUT ROWID;

CREATE TABLE pack (
    number          INTEGER PRIMARY KEY,
    class           INTEGER NOT NULL DEFAULT 0,
    committed_bytes INTEGER NOT NULL,
    records         INTEGER NOT NULL
, sealed_bytes INTEGER, checked_ms INTEGER, mark INTEGER) STRICT;

CREATE TABLE account (
    number          INTEGER PRIMARY KEY,
    id              BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    name            TEXT NOT NULL UNIQUE,
    host            TEXT,
    user            TEXT,
    last_poll_ms    INTEGER,
    last_success_ms INTEGER,
    last_error      TEXT,
    failures        INTEGER NOT NULL DEFAULT 0,
    next_poll_ms    INTEGER,
    listed          INTEGER
, mark INTEGER, paused_ms INTEGER, removed_ms INTEGER, former TEXT, multidrop INTEGER NOT NULL DEFAULT 0 CHECK (multidrop IN (0, 1)), trouble TEXT, trouble_polls INTEGER NOT NULL DEFAULT 0, trouble_settings BLOB, expire_days INTEGER, login_delay_s INTEGER, certificate_expires_ms INTEGER) STRICT;

CREATE TABLE message (
    number     INTEGER PRIMARY KEY,                    -- in the order of keeping
    id         BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
    nonce      BLOB NOT NULL CHECK (length(nonce) = 32),
    header     BLOB NOT NULL CHECK (length(header) = 32),
    size_bytes INTEGER NOT NULL,
    kept_ms    INTEGER NOT NULL,
    pack       INTEGER NOT NULL REFERENCES pack (number),
    ordinal    INTEGER NOT NULL,
    journal    INTEGER NOT NULL,                       -- the index of its entry in the journal
    verdict    TEXT NOT NULL DEFAULT 'pending'
               CHECK (CASE verdict WHEN 'clean' THEN 1 WHEN 'pending' THEN 1 WHEN 'error' THEN 1 WHEN 'partial' THEN 1
                      WHEN 'encrypted' THEN 1 WHEN 'suspicious' THEN 1 WHEN 'infected' THEN 1 ELSE 0 END),
    -- Read from the octets by the index stage, for lists on screen.
    indexed_ms  INTEGER,
    date_ms     INTEGER,
    from_line   TEXT,
    to_line     TEXT,
    subject     TEXT,
    attachments TEXT NOT NULL DEFAULT '[]'             -- JSON: [{part, name, type, size_bytes}]
, mark INTEGER, purged_ms INTEGER) STRICT;

CREATE INDEX message_with_attachments ON message (number) WHERE attachments <> '[]';

CREATE INDEX message_by_verdict ON message (verdict) WHERE verdict <> 'clean';

CREATE TABLE sighting (
    number        INTEGER PRIMARY KEY,
    account       INTEGER NOT NULL REFERENCES account (number),
    uidl          BLOB NOT NULL,
    ordinal       INTEGER NOT NULL,                    -- among equal unique-ids of one listing
    listed_bytes  INTEGER NOT NULL,                    -- the size the server claimed, -1 for none
    fate          TEXT NOT NULL
                  CHECK (CASE fate WHEN 'kept' THEN 1 WHEN 'duplicate' THEN 1 WHEN 'oversize' THEN 1 WHEN 'failed' THEN 1
                         WHEN 'interrupted' THEN 1 WHEN 'deferred' THEN 1 WHEN 'vanished' THEN 1 ELSE 0 END),
    message       INTEGER REFERENCES message (number),
    seen_ms       INTEGER NOT NULL,                    -- first listed
    fate_ms       INTEGER NOT NULL,
    reason        TEXT,
    attempts      INTEGER NOT NULL DEFAULT 0,
    deleting_ms   INTEGER,                             -- a DELE was decided on, last time
    delete_reason TEXT,
    gone_ms       INTEGER, mark INTEGER,                             -- a later listing lacked it
    CHECK ((fate IN ('kept', 'duplicate')) = (message IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX sighting_by_listing ON sighting (account, uidl, ordinal, listed_bytes) WHERE gone_ms IS NULL;

CREATE INDEX sighting_by_message ON sighting (message);

CREATE TABLE session (
    number     INTEGER PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES account (number),
    started_ms INTEGER NOT NULL,
    ended_ms   INTEGER NOT NULL,
    counts     TEXT NOT NULL,                          -- JSON
    error      TEXT
, mark INTEGER) STRICT;

CREATE INDEX session_by_account ON session (account, number);

CREATE TABLE verdict (
    number      INTEGER PRIMARY KEY,
    message     INTEGER NOT NULL REFERENCES message (number),
    view        TEXT NOT NULL,                         -- 'raw', 'part N'
    blob        BLOB NOT NULL CHECK (length(blob) = 32),
    size_bytes  INTEGER NOT NULL,
    verdict     TEXT NOT NULL,
    detail      TEXT,                                  -- the signature, or why it is not clean
    engine      TEXT NOT NULL,
    signatures  TEXT NOT NULL,
    transport   TEXT NOT NULL,
    scanned_ms  INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL
, mark INTEGER) STRICT;

CREATE INDEX verdict_by_message ON verdict (message, number);

CREATE TRIGGER verdict_is_never_removed BEFORE DELETE ON verdict BEGIN SELECT RAISE(ABORT, 'verdicts are append-only'); END;

CREATE TABLE work (
    stage    TEXT NOT NULL CHECK (stage IN ('scan', 'index')),
    message  INTEGER NOT NULL REFERENCES message (number),
    due_ms   INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error    TEXT,
    stuck    INTEGER NOT NULL DEFAULT 0 CHECK (stuck IN (0, 1)), mark INTEGER,
    PRIMARY KEY (stage, message)
) STRICT, WITHOUT ROWID;

CREATE INDEX work_due ON work (stage, stuck, due_ms, message);

CREATE TABLE outbox (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    leaf    BLOB NOT NULL CHECK (length(leaf) < 65536),
    record  BLOB,
    pack    INTEGER REFERENCES pack (number),
    ordinal INTEGER,
    CHECK ((record IS NULL) = (pack IS NOT NULL) AND (pack IS NULL) = (ordinal IS NULL))
) STRICT;

CREATE INDEX outbox_unwritten ON outbox (seq) WHERE record IS NOT NULL;

CREATE TABLE request (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT NOT NULL,
    argument TEXT NOT NULL,                            -- JSON
    asked_ms INTEGER NOT NULL,
    taken_ms INTEGER,
    tries    INTEGER NOT NULL DEFAULT 0,               -- times it was taken
    done_ms  INTEGER,
    answer   TEXT                                      -- JSON
, mark INTEGER) STRICT;

CREATE TABLE owner (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    pid        INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    beat_ms    INTEGER NOT NULL,
    scanner    TEXT NOT NULL                           -- JSON: {state, engine, signatures, message}
, mark INTEGER) STRICT;

CREATE TABLE part (
    id      BLOB PRIMARY KEY CHECK (length(id) = 32),
    pack    INTEGER NOT NULL REFERENCES pack (number),
    ordinal INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE entry (
    number  INTEGER PRIMARY KEY,
    pack    INTEGER NOT NULL REFERENCES pack (number),
    ordinal INTEGER NOT NULL
) STRICT;

CREATE INDEX entry_by_pack ON entry (pack, ordinal);

CREATE TABLE checkpoint (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL,
    note TEXT NOT NULL
, mark INTEGER) STRICT;

CREATE INDEX message_by_place ON message (pack, ordinal);

CREATE INDEX part_by_pack ON part (pack, ordinal);

CREATE TABLE verified (
    number   INTEGER PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    kind     TEXT NOT NULL,                            -- 'all', 'quick', 'books', 'pack N' or 'drill'
    messages INTEGER NOT NULL,
    packs    INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    damage   TEXT NOT NULL                             -- JSON: a sentence each
, mark INTEGER) STRICT;

CREATE TRIGGER sighting_is_marked AFTER INSERT ON sighting BEGIN
    UPDATE sighting SET mark = fingerprint(NEW.number, NEW.account, NEW.uidl, NEW.ordinal, NEW.listed_bytes, NEW.fate,
        NEW.message, NEW.seen_ms, NEW.fate_ms, NEW.reason, NEW.attempts,
        NEW.deleting_ms, NEW.delete_reason, NEW.gone_ms)
    WHERE number = NEW.number;
END;

CREATE TRIGGER sighting_is_marked_anew AFTER UPDATE ON sighting WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE sighting SET mark = fingerprint(NEW.number, NEW.account, NEW.uidl, NEW.ordinal, NEW.listed_bytes, NEW.fate,
        NEW.message, NEW.seen_ms, NEW.fate_ms, NEW.reason, NEW.attempts,
        NEW.deleting_ms, NEW.delete_reason, NEW.gone_ms)
    WHERE number = NEW.number;
END;

CREATE TRIGGER session_is_marked AFTER INSERT ON session BEGIN
    UPDATE session SET mark = fingerprint(NEW.number, NEW.account, NEW.started_ms, NEW.ended_ms, NEW.counts, NEW.error)
    WHERE number = NEW.number;
END;

CREATE TRIGGER session_is_marked_anew AFTER UPDATE ON session WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE session SET mark = fingerprint(NEW.number, NEW.account, NEW.started_ms, NEW.ended_ms, NEW.counts, NEW.error)
    WHERE number = NEW.number;
END;

CREATE TRIGGER verdict_is_marked AFTER INSERT ON verdict BEGIN
    UPDATE verdict SET mark = fingerprint(NEW.number, NEW.message, NEW.view, NEW.blob, NEW.size_bytes, NEW.verdict,
        NEW.detail, NEW.engine, NEW.signatures, NEW.transport, NEW.scanned_ms,
        NEW.duration_ms)
    WHERE number = NEW.number;
END;

CREATE TRIGGER verdict_is_never_changed BEFORE UPDATE ON verdict WHEN OLD.mark IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'verdicts are append-only'); END;

CREATE TRIGGER archive_is_marked AFTER INSERT ON archive BEGIN
    UPDATE archive SET mark = fingerprint(NEW.key, NEW.value)
    WHERE key = NEW.key;
END;

CREATE TRIGGER archive_is_marked_anew AFTER UPDATE ON archive WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE archive SET mark = fingerprint(NEW.key, NEW.value)
    WHERE key = NEW.key;
END;

CREATE TRIGGER pack_is_marked AFTER INSERT ON pack BEGIN
    UPDATE pack SET mark = fingerprint(NEW.number, NEW.class, NEW.committed_bytes, NEW.records, NEW.sealed_bytes,
        NEW.checked_ms)
    WHERE number = NEW.number;
END;

CREATE TRIGGER pack_is_marked_anew AFTER UPDATE ON pack WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE pack SET mark = fingerprint(NEW.number, NEW.class, NEW.committed_bytes, NEW.records, NEW.sealed_bytes,
        NEW.checked_ms)
    WHERE number = NEW.number;
END;

CREATE TRIGGER checkpoint_is_marked AFTER INSERT ON checkpoint BEGIN
    UPDATE checkpoint SET mark = fingerprint(NEW.one, NEW.size, NEW.note)
    WHERE one = NEW.one;
END;

CREATE TRIGGER checkpoint_is_marked_anew AFTER UPDATE ON checkpoint WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE checkpoint SET mark = fingerprint(NEW.one, NEW.size, NEW.note)
    WHERE one = NEW.one;
END;

CREATE TRIGGER request_is_marked AFTER INSERT ON request BEGIN
    UPDATE request SET mark = fingerprint(NEW.number, NEW.kind, NEW.argument, NEW.asked_ms, NEW.taken_ms, NEW.tries,
        NEW.done_ms, NEW.answer)
    WHERE number = NEW.number;
END;

CREATE TRIGGER request_is_marked_anew AFTER UPDATE ON request WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE request SET mark = fingerprint(NEW.number, NEW.kind, NEW.argument, NEW.asked_ms, NEW.taken_ms, NEW.tries,
        NEW.done_ms, NEW.answer)
    WHERE number = NEW.number;
END;

CREATE TRIGGER owner_is_marked AFTER INSERT ON owner BEGIN
    UPDATE owner SET mark = fingerprint(NEW.one, NEW.pid, NEW.started_ms, NEW.beat_ms, NEW.scanner)
    WHERE one = NEW.one;
END;

CREATE TRIGGER owner_is_marked_anew AFTER UPDATE ON owner WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE owner SET mark = fingerprint(NEW.one, NEW.pid, NEW.started_ms, NEW.beat_ms, NEW.scanner)
    WHERE one = NEW.one;
END;

CREATE TRIGGER work_is_marked_anew AFTER UPDATE OF attempts, error ON work BEGIN
    UPDATE work SET mark = fingerprint(NEW.stage, NEW.message, NEW.attempts, NEW.error)
    WHERE stage = NEW.stage AND message = NEW.message;
END;

CREATE TABLE dialog (
    account             INTEGER PRIMARY KEY REFERENCES account (number),
    one_at_a_time_until INTEGER NOT NULL DEFAULT 0,    -- pipelining went wrong; milliseconds since 1970-01-01 UTC
    headers_differ_until INTEGER NOT NULL DEFAULT 0    -- TOP gives other header blocks than RETR
, mark INTEGER) STRICT;

CREATE INDEX sighting_absent ON sighting (account, listed_bytes)
    WHERE gone_ms IS NOT NULL AND deleting_ms IS NULL AND message IS NOT NULL;

CREATE TRIGGER account_is_marked AFTER INSERT ON account BEGIN
    UPDATE account SET mark = fingerprint(NEW.number, NEW.id, NEW.name, NEW.host, NEW.user, NEW.last_poll_ms,
        NEW.last_success_ms, NEW.last_error, NEW.failures, NEW.next_poll_ms,
        NEW.listed, NEW.paused_ms, NEW.removed_ms, NEW.former, NEW.multidrop, NEW.trouble, NEW.trouble_polls,
        NEW.trouble_settings, NEW.expire_days, NEW.login_delay_s, NEW.certificate_expires_ms)
    WHERE number = NEW.number;
END;

CREATE TRIGGER account_is_marked_anew AFTER UPDATE ON account WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE account SET mark = fingerprint(NEW.number, NEW.id, NEW.name, NEW.host, NEW.user, NEW.last_poll_ms,
        NEW.last_success_ms, NEW.last_error, NEW.failures, NEW.next_poll_ms,
        NEW.listed, NEW.paused_ms, NEW.removed_ms, NEW.former, NEW.multidrop, NEW.trouble, NEW.trouble_polls,
        NEW.trouble_settings, NEW.expire_days, NEW.login_delay_s, NEW.certificate_expires_ms)
    WHERE number = NEW.number;
END;

CREATE TRIGGER message_is_marked AFTER INSERT ON message BEGIN
    UPDATE message SET mark = fingerprint(NEW.number, NEW.id, NEW.nonce, NEW.header, NEW.size_bytes, NEW.kept_ms,
        NEW.pack, NEW.ordinal, NEW.journal, NEW.verdict, NEW.indexed_ms,
        NEW.date_ms, NEW.from_line, NEW.to_line, NEW.subject, NEW.attachments, NEW.purged_ms)
    WHERE number = NEW.number;
END;

CREATE TRIGGER message_is_marked_anew AFTER UPDATE ON message WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE message SET mark = fingerprint(NEW.number, NEW.id, NEW.nonce, NEW.header, NEW.size_bytes, NEW.kept_ms,
        NEW.pack, NEW.ordinal, NEW.journal, NEW.verdict, NEW.indexed_ms,
        NEW.date_ms, NEW.from_line, NEW.to_line, NEW.subject, NEW.attachments, NEW.purged_ms)
    WHERE number = NEW.number;
END;

CREATE INDEX message_by_size ON message (size_bytes);

CREATE INDEX message_unindexed ON message (number) WHERE indexed_ms IS NULL;

CREATE INDEX message_purged ON message (pack, ordinal) WHERE purged_ms IS NOT NULL;

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

CREATE TRIGGER quarantine_is_marked_anew AFTER UPDATE ON quarantine WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE quarantine SET mark = fingerprint(NEW.number, NEW.blob, NEW.size_bytes, NEW.signature, NEW.state,
        NEW.since_ms, NEW.changed_ms, NEW.asked_ms, NEW.asked_by, NEW.asked_why)
    WHERE number = NEW.number;
END;

CREATE TABLE occurrence (
    item    INTEGER NOT NULL REFERENCES quarantine (number),
    message INTEGER NOT NULL REFERENCES message (number),
    PRIMARY KEY (item, message)
) STRICT, WITHOUT ROWID;

CREATE INDEX occurrence_by_message ON occurrence (message, item);

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

CREATE TABLE answer (
    blob          BLOB PRIMARY KEY CHECK (length(blob) = 32),
    signature_set TEXT NOT NULL,
    verdict       TEXT NOT NULL,
    detail        TEXT,
    mark          INTEGER NOT NULL                     -- looked at before the row is believed
) STRICT, WITHOUT ROWID;

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
, mark INTEGER) STRICT;

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

CREATE TABLE purging (
    pack  INTEGER PRIMARY KEY REFERENCES pack (number),
    error TEXT                                         -- why it could not be written anew; tried again at the next start
, mark INTEGER) STRICT;

CREATE TRIGGER verified_is_marked AFTER INSERT ON verified BEGIN
    UPDATE verified SET mark = fingerprint(NEW.number, NEW.at_ms, NEW.kind, NEW.messages, NEW.packs, NEW.bytes,
        NEW.damage)
    WHERE number = NEW.number;
END;

CREATE TRIGGER verified_is_marked_anew AFTER UPDATE ON verified WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE verified SET mark = fingerprint(NEW.number, NEW.at_ms, NEW.kind, NEW.messages, NEW.packs, NEW.bytes,
        NEW.damage)
    WHERE number = NEW.number;
END;

CREATE TRIGGER dialog_is_marked AFTER INSERT ON dialog BEGIN
    UPDATE dialog SET mark = fingerprint(NEW.account, NEW.one_at_a_time_until, NEW.headers_differ_until)
    WHERE account = NEW.account;
END;

CREATE TRIGGER dialog_is_marked_anew AFTER UPDATE ON dialog WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE dialog SET mark = fingerprint(NEW.account, NEW.one_at_a_time_until, NEW.headers_differ_until)
    WHERE account = NEW.account;
END;

CREATE TRIGGER rescan_is_marked AFTER INSERT ON rescan BEGIN
    UPDATE rescan SET mark = fingerprint(NEW.one, NEW.why, NEW.signature_set, NEW.began_ms, NEW.below, NEW.total,
        NEW.messages, NEW.parts, NEW.changed, NEW.infected)
    WHERE one = NEW.one;
END;

CREATE TRIGGER rescan_is_marked_anew AFTER UPDATE ON rescan WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE rescan SET mark = fingerprint(NEW.one, NEW.why, NEW.signature_set, NEW.began_ms, NEW.below, NEW.total,
        NEW.messages, NEW.parts, NEW.changed, NEW.infected)
    WHERE one = NEW.one;
END;

CREATE TRIGGER purging_is_marked AFTER INSERT ON purging BEGIN
    UPDATE purging SET mark = fingerprint(NEW.pack, NEW.error)
    WHERE pack = NEW.pack;
END;

CREATE TRIGGER purging_is_marked_anew AFTER UPDATE ON purging WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE purging SET mark = fingerprint(NEW.pack, NEW.error)
    WHERE pack = NEW.pack;
END;

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

CREATE TABLE named (
    id     INTEGER PRIMARY KEY,
    family INTEGER NOT NULL,
    mark   INTEGER NOT NULL
) STRICT;

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


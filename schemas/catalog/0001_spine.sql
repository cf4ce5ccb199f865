-- What the catalog knows. Everything here but `request` and `owner`, and what no checkpoint covers yet in `outbox`, is
-- derived from packs and journal.
-- Times are milliseconds since 1970-01-01 UTC; ids are SHA-256 octets.

-- The archive itself: format, id, created_ms. Written once.
CREATE TABLE archive (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- How far each pack counts. Written in the transaction that commits what the octets mean.
CREATE TABLE pack (
    number          INTEGER PRIMARY KEY,
    class           INTEGER NOT NULL DEFAULT 0,
    committed_bytes INTEGER NOT NULL,
    records         INTEGER NOT NULL
) STRICT;

-- Every account that ever gave a message; imports have one too.
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
) STRICT;

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
               CHECK (verdict IN ('clean', 'pending', 'error', 'partial', 'encrypted', 'suspicious', 'infected')),
    -- Read from the octets by the index stage, for lists on screen.
    indexed_ms  INTEGER,
    date_ms     INTEGER,
    from_line   TEXT,
    to_line     TEXT,
    subject     TEXT,
    attachments TEXT NOT NULL DEFAULT '[]'             -- JSON: [{part, name, type, size_bytes}]
) STRICT;
CREATE INDEX message_with_attachments ON message (number) WHERE attachments <> '[]';
CREATE INDEX message_by_verdict ON message (verdict) WHERE verdict <> 'clean';

-- Every line of every listing, with its fate; every place in an imported file.
CREATE TABLE sighting (
    number        INTEGER PRIMARY KEY,
    account       INTEGER NOT NULL REFERENCES account (number),
    uidl          BLOB NOT NULL,
    ordinal       INTEGER NOT NULL,                    -- among equal unique-ids of one listing
    listed_bytes  INTEGER NOT NULL,                    -- the size the server claimed, -1 for none
    fate          TEXT NOT NULL
                  CHECK (fate IN ('kept', 'duplicate', 'oversize', 'failed', 'interrupted', 'deferred', 'vanished')),
    message       INTEGER REFERENCES message (number),
    seen_ms       INTEGER NOT NULL,                    -- first listed
    fate_ms       INTEGER NOT NULL,
    reason        TEXT,
    attempts      INTEGER NOT NULL DEFAULT 0,
    deleting_ms   INTEGER,                             -- a DELE was decided on, last time
    delete_reason TEXT,
    gone_ms       INTEGER,                             -- a later listing lacked it
    CHECK ((fate IN ('kept', 'duplicate')) = (message IS NOT NULL))
) STRICT;
-- Once a message is gone from the server, its unique-id may come again and mean another.
CREATE UNIQUE INDEX sighting_by_listing ON sighting (account, uidl, ordinal, listed_bytes) WHERE gone_ms IS NULL;
CREATE INDEX sighting_by_message ON sighting (message);

-- One poll of one account. listed = known + kept + duplicates + oversize + failed + deferred.
CREATE TABLE session (
    number     INTEGER PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES account (number),
    started_ms INTEGER NOT NULL,
    ended_ms   INTEGER NOT NULL,
    counts     TEXT NOT NULL,                          -- JSON
    error      TEXT
) STRICT;
CREATE INDEX session_by_account ON session (account, number);

-- What each scan of each view said. Only ever appended to.
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
) STRICT;
CREATE INDEX verdict_by_message ON verdict (message, number);
CREATE TRIGGER verdict_is_never_changed BEFORE UPDATE ON verdict BEGIN SELECT RAISE(ABORT, 'verdicts are append-only'); END;
CREATE TRIGGER verdict_is_never_removed BEFORE DELETE ON verdict BEGIN SELECT RAISE(ABORT, 'verdicts are append-only'); END;

-- The queue: what is due for which message. A stage removes its row in the transaction that records its result.
CREATE TABLE work (
    stage    TEXT NOT NULL CHECK (stage IN ('scan', 'index')),
    message  INTEGER NOT NULL REFERENCES message (number),
    due_ms   INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error    TEXT,
    stuck    INTEGER NOT NULL DEFAULT 0 CHECK (stuck IN (0, 1)),
    PRIMARY KEY (stage, message)
) STRICT, WITHOUT ROWID;
CREATE INDEX work_due ON work (stage, stuck, due_ms, message);

-- Journal entries on their way: `seq` - 1 is the entry's index in the tree. A row holds both halves until the private
-- record is in a pack (then `record` is NULL and the location is set) and the leaf is in the tree, in that order.
CREATE TABLE outbox (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    leaf    BLOB NOT NULL CHECK (length(leaf) < 65536),
    record  BLOB,
    pack    INTEGER REFERENCES pack (number),
    ordinal INTEGER,
    CHECK ((record IS NULL) = (pack IS NOT NULL) AND (pack IS NULL) = (ordinal IS NULL))
) STRICT;
CREATE INDEX outbox_unwritten ON outbox (seq) WHERE record IS NOT NULL;

-- What commands ask of the process that owns the archive.
CREATE TABLE request (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT NOT NULL,
    argument TEXT NOT NULL,                            -- JSON
    asked_ms INTEGER NOT NULL,
    taken_ms INTEGER,
    tries    INTEGER NOT NULL DEFAULT 0,               -- times it was taken
    done_ms  INTEGER,
    answer   TEXT                                      -- JSON
) STRICT;

-- The process that owns the archive, while it lives.
CREATE TABLE owner (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    pid        INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    beat_ms    INTEGER NOT NULL,
    scanner    TEXT NOT NULL                           -- JSON: {state, engine, signatures, message}
) STRICT;

-- Packs that are sealed, parts stored once, where every private record lies, the journal's last signed checkpoint; and
-- a fingerprint on every row of facts, so that a flipped bit in this file is found.

-- The length of the sealed file; NULL while the pack is open, or is not yet sealed.
ALTER TABLE pack ADD COLUMN sealed_bytes INTEGER;
-- When all of it was last read and hashed.
ALTER TABLE pack ADD COLUMN checked_ms INTEGER;

-- Attachments that sealed packs store once, by the SHA-256 of their octets.
CREATE TABLE part (
    id      BLOB PRIMARY KEY CHECK (length(id) = 32),
    pack    INTEGER NOT NULL REFERENCES pack (number),
    ordinal INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Journal entries that a signed checkpoint covers: where their private records lie. `number` is the index in the tree.
-- The leaves are in the journal's tiles; `outbox` holds only what no checkpoint covers yet.
CREATE TABLE entry (
    number  INTEGER PRIMARY KEY,
    pack    INTEGER NOT NULL REFERENCES pack (number),
    ordinal INTEGER NOT NULL
) STRICT;
CREATE INDEX entry_by_pack ON entry (pack, ordinal);

-- The checkpoint that covers just the entries above: the whole signed note.
CREATE TABLE checkpoint (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;

CREATE INDEX message_by_place ON message (pack, ordinal);
CREATE INDEX part_by_pack ON part (pack, ordinal);

-- What checks of the archive, and rehearsals of a rebuild, found.
CREATE TABLE verified (
    number   INTEGER PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    kind     TEXT NOT NULL,                            -- 'all', 'quick', 'books', 'pack N' or 'drill'
    messages INTEGER NOT NULL,
    packs    INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    damage   TEXT NOT NULL                             -- JSON: a sentence each
) STRICT;

-- `mark` is the fingerprint of a row's other columns: a function of the program, over their values in this order.
DROP TRIGGER verdict_is_never_changed;

ALTER TABLE account ADD COLUMN mark INTEGER;
UPDATE account SET mark = fingerprint(number, id, name, host, user, last_poll_ms, last_success_ms, last_error,
    failures, next_poll_ms, listed);
CREATE TRIGGER account_is_marked AFTER INSERT ON account BEGIN
    UPDATE account SET mark = fingerprint(NEW.number, NEW.id, NEW.name, NEW.host, NEW.user, NEW.last_poll_ms,
        NEW.last_success_ms, NEW.last_error, NEW.failures, NEW.next_poll_ms,
        NEW.listed)
    WHERE number = NEW.number;
END;
CREATE TRIGGER account_is_marked_anew AFTER UPDATE ON account BEGIN
    UPDATE account SET mark = fingerprint(NEW.number, NEW.id, NEW.name, NEW.host, NEW.user, NEW.last_poll_ms,
        NEW.last_success_ms, NEW.last_error, NEW.failures, NEW.next_poll_ms,
        NEW.listed)
    WHERE number = NEW.number;
END;

ALTER TABLE message ADD COLUMN mark INTEGER;
UPDATE message SET mark = fingerprint(number, id, nonce, header, size_bytes, kept_ms, pack, ordinal, journal,
    verdict, indexed_ms, date_ms, from_line, to_line, subject, attachments);
CREATE TRIGGER message_is_marked AFTER INSERT ON message BEGIN
    UPDATE message SET mark = fingerprint(NEW.number, NEW.id, NEW.nonce, NEW.header, NEW.size_bytes, NEW.kept_ms,
        NEW.pack, NEW.ordinal, NEW.journal, NEW.verdict, NEW.indexed_ms,
        NEW.date_ms, NEW.from_line, NEW.to_line, NEW.subject, NEW.attachments)
    WHERE number = NEW.number;
END;
CREATE TRIGGER message_is_marked_anew AFTER UPDATE ON message BEGIN
    UPDATE message SET mark = fingerprint(NEW.number, NEW.id, NEW.nonce, NEW.header, NEW.size_bytes, NEW.kept_ms,
        NEW.pack, NEW.ordinal, NEW.journal, NEW.verdict, NEW.indexed_ms,
        NEW.date_ms, NEW.from_line, NEW.to_line, NEW.subject, NEW.attachments)
    WHERE number = NEW.number;
END;

ALTER TABLE sighting ADD COLUMN mark INTEGER;
UPDATE sighting SET mark = fingerprint(number, account, uidl, ordinal, listed_bytes, fate, message, seen_ms,
    fate_ms, reason, attempts, deleting_ms, delete_reason, gone_ms);
CREATE TRIGGER sighting_is_marked AFTER INSERT ON sighting BEGIN
    UPDATE sighting SET mark = fingerprint(NEW.number, NEW.account, NEW.uidl, NEW.ordinal, NEW.listed_bytes, NEW.fate,
        NEW.message, NEW.seen_ms, NEW.fate_ms, NEW.reason, NEW.attempts,
        NEW.deleting_ms, NEW.delete_reason, NEW.gone_ms)
    WHERE number = NEW.number;
END;
CREATE TRIGGER sighting_is_marked_anew AFTER UPDATE ON sighting BEGIN
    UPDATE sighting SET mark = fingerprint(NEW.number, NEW.account, NEW.uidl, NEW.ordinal, NEW.listed_bytes, NEW.fate,
        NEW.message, NEW.seen_ms, NEW.fate_ms, NEW.reason, NEW.attempts,
        NEW.deleting_ms, NEW.delete_reason, NEW.gone_ms)
    WHERE number = NEW.number;
END;

ALTER TABLE session ADD COLUMN mark INTEGER;
UPDATE session SET mark = fingerprint(number, account, started_ms, ended_ms, counts, error);
CREATE TRIGGER session_is_marked AFTER INSERT ON session BEGIN
    UPDATE session SET mark = fingerprint(NEW.number, NEW.account, NEW.started_ms, NEW.ended_ms, NEW.counts, NEW.error)
    WHERE number = NEW.number;
END;
CREATE TRIGGER session_is_marked_anew AFTER UPDATE ON session BEGIN
    UPDATE session SET mark = fingerprint(NEW.number, NEW.account, NEW.started_ms, NEW.ended_ms, NEW.counts, NEW.error)
    WHERE number = NEW.number;
END;

ALTER TABLE verdict ADD COLUMN mark INTEGER;
UPDATE verdict SET mark = fingerprint(number, message, view, blob, size_bytes, verdict, detail, engine,
    signatures, transport, scanned_ms, duration_ms);
CREATE TRIGGER verdict_is_marked AFTER INSERT ON verdict BEGIN
    UPDATE verdict SET mark = fingerprint(NEW.number, NEW.message, NEW.view, NEW.blob, NEW.size_bytes, NEW.verdict,
        NEW.detail, NEW.engine, NEW.signatures, NEW.transport, NEW.scanned_ms,
        NEW.duration_ms)
    WHERE number = NEW.number;
END;
CREATE TRIGGER verdict_is_never_changed BEFORE UPDATE ON verdict WHEN OLD.mark IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'verdicts are append-only'); END;

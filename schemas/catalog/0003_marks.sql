-- Fingerprints also on the rows that are told of packs, of the journal's checkpoint, and between processes: see 0002. The
-- columns of `part` and `entry` all stand in an index too, which SQLite compares; `outbox` carries both halves of an
-- entry, of which one commits to the other.

ALTER TABLE archive ADD COLUMN mark INTEGER;
UPDATE archive SET mark = fingerprint(key, value);
CREATE TRIGGER archive_is_marked AFTER INSERT ON archive BEGIN
    UPDATE archive SET mark = fingerprint(NEW.key, NEW.value)
    WHERE key = NEW.key;
END;
CREATE TRIGGER archive_is_marked_anew AFTER UPDATE ON archive BEGIN
    UPDATE archive SET mark = fingerprint(NEW.key, NEW.value)
    WHERE key = NEW.key;
END;

ALTER TABLE pack ADD COLUMN mark INTEGER;
UPDATE pack SET mark = fingerprint(number, class, committed_bytes, records, sealed_bytes, checked_ms);
CREATE TRIGGER pack_is_marked AFTER INSERT ON pack BEGIN
    UPDATE pack SET mark = fingerprint(NEW.number, NEW.class, NEW.committed_bytes, NEW.records, NEW.sealed_bytes,
        NEW.checked_ms)
    WHERE number = NEW.number;
END;
CREATE TRIGGER pack_is_marked_anew AFTER UPDATE ON pack BEGIN
    UPDATE pack SET mark = fingerprint(NEW.number, NEW.class, NEW.committed_bytes, NEW.records, NEW.sealed_bytes,
        NEW.checked_ms)
    WHERE number = NEW.number;
END;

ALTER TABLE checkpoint ADD COLUMN mark INTEGER;
UPDATE checkpoint SET mark = fingerprint(one, size, note);
CREATE TRIGGER checkpoint_is_marked AFTER INSERT ON checkpoint BEGIN
    UPDATE checkpoint SET mark = fingerprint(NEW.one, NEW.size, NEW.note)
    WHERE one = NEW.one;
END;
CREATE TRIGGER checkpoint_is_marked_anew AFTER UPDATE ON checkpoint BEGIN
    UPDATE checkpoint SET mark = fingerprint(NEW.one, NEW.size, NEW.note)
    WHERE one = NEW.one;
END;

ALTER TABLE verified ADD COLUMN mark INTEGER;
UPDATE verified SET mark = fingerprint(number, at_ms, messages, packs, bytes, damage);
CREATE TRIGGER verified_is_marked AFTER INSERT ON verified BEGIN
    UPDATE verified SET mark = fingerprint(NEW.number, NEW.at_ms, NEW.messages, NEW.packs, NEW.bytes, NEW.damage)
    WHERE number = NEW.number;
END;
CREATE TRIGGER verified_is_marked_anew AFTER UPDATE ON verified BEGIN
    UPDATE verified SET mark = fingerprint(NEW.number, NEW.at_ms, NEW.messages, NEW.packs, NEW.bytes, NEW.damage)
    WHERE number = NEW.number;
END;

ALTER TABLE request ADD COLUMN mark INTEGER;
UPDATE request SET mark = fingerprint(number, kind, argument, asked_ms, taken_ms, tries, done_ms, answer);
CREATE TRIGGER request_is_marked AFTER INSERT ON request BEGIN
    UPDATE request SET mark = fingerprint(NEW.number, NEW.kind, NEW.argument, NEW.asked_ms, NEW.taken_ms, NEW.tries,
        NEW.done_ms, NEW.answer)
    WHERE number = NEW.number;
END;
CREATE TRIGGER request_is_marked_anew AFTER UPDATE ON request BEGIN
    UPDATE request SET mark = fingerprint(NEW.number, NEW.kind, NEW.argument, NEW.asked_ms, NEW.taken_ms, NEW.tries,
        NEW.done_ms, NEW.answer)
    WHERE number = NEW.number;
END;

ALTER TABLE owner ADD COLUMN mark INTEGER;
UPDATE owner SET mark = fingerprint(one, pid, started_ms, beat_ms, scanner);
CREATE TRIGGER owner_is_marked AFTER INSERT ON owner BEGIN
    UPDATE owner SET mark = fingerprint(NEW.one, NEW.pid, NEW.started_ms, NEW.beat_ms, NEW.scanner)
    WHERE one = NEW.one;
END;
CREATE TRIGGER owner_is_marked_anew AFTER UPDATE ON owner BEGIN
    UPDATE owner SET mark = fingerprint(NEW.one, NEW.pid, NEW.started_ms, NEW.beat_ms, NEW.scanner)
    WHERE one = NEW.one;
END;

-- Of `work` only what a failure leaves: the rest stands in its index, and two rows come with every message.
ALTER TABLE work ADD COLUMN mark INTEGER;
UPDATE work SET mark = fingerprint(stage, message, attempts, error) WHERE attempts > 0 OR error IS NOT NULL;
CREATE TRIGGER work_is_marked_anew AFTER UPDATE OF attempts, error ON work BEGIN
    UPDATE work SET mark = fingerprint(NEW.stage, NEW.message, NEW.attempts, NEW.error)
    WHERE stage = NEW.stage AND message = NEW.message;
END;

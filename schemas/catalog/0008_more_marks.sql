-- Fingerprints also over what a check was of, and on the rows that say how to speak with a server, how far a rescan came and
-- which packs are to be written anew: see 0003.

DROP TRIGGER verified_is_marked;
DROP TRIGGER verified_is_marked_anew;
UPDATE verified SET mark = fingerprint(number, at_ms, kind, messages, packs, bytes, damage);
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

ALTER TABLE dialog ADD COLUMN mark INTEGER;
UPDATE dialog SET mark = fingerprint(account, one_at_a_time_until, headers_differ_until);
CREATE TRIGGER dialog_is_marked AFTER INSERT ON dialog BEGIN
    UPDATE dialog SET mark = fingerprint(NEW.account, NEW.one_at_a_time_until, NEW.headers_differ_until)
    WHERE account = NEW.account;
END;
CREATE TRIGGER dialog_is_marked_anew AFTER UPDATE ON dialog WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE dialog SET mark = fingerprint(NEW.account, NEW.one_at_a_time_until, NEW.headers_differ_until)
    WHERE account = NEW.account;
END;

ALTER TABLE rescan ADD COLUMN mark INTEGER;
UPDATE rescan SET mark = fingerprint(one, why, signature_set, began_ms, below, total, messages, parts, changed, infected);
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

ALTER TABLE purging ADD COLUMN mark INTEGER;
UPDATE purging SET mark = fingerprint(pack, error);
CREATE TRIGGER purging_is_marked AFTER INSERT ON purging BEGIN
    UPDATE purging SET mark = fingerprint(NEW.pack, NEW.error)
    WHERE pack = NEW.pack;
END;
CREATE TRIGGER purging_is_marked_anew AFTER UPDATE ON purging WHEN NEW.mark IS OLD.mark BEGIN
    UPDATE purging SET mark = fingerprint(NEW.pack, NEW.error)
    WHERE pack = NEW.pack;
END;

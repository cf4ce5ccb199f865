-- Accounts that are paused, removed, renamed or collect the mail of many; how their schedule stands, and what their
-- servers said of themselves.

-- Facts: since when it is not polled, …
ALTER TABLE account ADD COLUMN paused_ms INTEGER;
-- … and since when it is no longer in the configuration, on purpose. Its mail and its ledger stay.
ALTER TABLE account ADD COLUMN removed_ms INTEGER;
-- The name before the last one.
ALTER TABLE account ADD COLUMN former TEXT;
ALTER TABLE account ADD COLUMN multidrop INTEGER NOT NULL DEFAULT 0 CHECK (multidrop IN (0, 1));

-- What the schedule notes for itself: the class of the last failure, how many of it came in a row, and with which settings
-- and secret (a digest; never made of the secret itself).
ALTER TABLE account ADD COLUMN trouble TEXT;
ALTER TABLE account ADD COLUMN trouble_polls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN trouble_settings BLOB;

-- What the server said: how many days it keeps mail (NULL: for ever, or it did not say), how long it wants to be left
-- alone after a login; and how long its certificate holds.
ALTER TABLE account ADD COLUMN expire_days INTEGER;
ALTER TABLE account ADD COLUMN login_delay_s INTEGER;
ALTER TABLE account ADD COLUMN certificate_expires_ms INTEGER;

DROP TRIGGER account_is_marked;
DROP TRIGGER account_is_marked_anew;
UPDATE account SET mark = fingerprint(number, id, name, host, user, last_poll_ms, last_success_ms, last_error,
    failures, next_poll_ms, listed, paused_ms, removed_ms, former, multidrop, trouble, trouble_polls, trouble_settings,
    expire_days, login_delay_s, certificate_expires_ms);
CREATE TRIGGER account_is_marked AFTER INSERT ON account BEGIN
    UPDATE account SET mark = fingerprint(NEW.number, NEW.id, NEW.name, NEW.host, NEW.user, NEW.last_poll_ms,
        NEW.last_success_ms, NEW.last_error, NEW.failures, NEW.next_poll_ms,
        NEW.listed, NEW.paused_ms, NEW.removed_ms, NEW.former, NEW.multidrop, NEW.trouble, NEW.trouble_polls,
        NEW.trouble_settings, NEW.expire_days, NEW.login_delay_s, NEW.certificate_expires_ms)
    WHERE number = NEW.number;
END;
CREATE TRIGGER account_is_marked_anew AFTER UPDATE ON account BEGIN
    UPDATE account SET mark = fingerprint(NEW.number, NEW.id, NEW.name, NEW.host, NEW.user, NEW.last_poll_ms,
        NEW.last_success_ms, NEW.last_error, NEW.failures, NEW.next_poll_ms,
        NEW.listed, NEW.paused_ms, NEW.removed_ms, NEW.former, NEW.multidrop, NEW.trouble, NEW.trouble_polls,
        NEW.trouble_settings, NEW.expire_days, NEW.login_delay_s, NEW.certificate_expires_ms)
    WHERE number = NEW.number;
END;

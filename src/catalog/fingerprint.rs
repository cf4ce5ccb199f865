//! The fingerprint that every row of facts carries, so that a flipped bit in the file is found.

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};

use super::{Catalog, Error};

/// Makes SQL know `fingerprint(values…)`: the CRC-32C of the values in their order, types and lengths included. Without
/// it nobody can write to a catalog.
pub fn teach(connection: &Connection) -> rusqlite::Result<()> {
    // Innocuous: triggers may call it although the schema is not trusted.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("fingerprint", -1, flags, |values| Ok(i64::from(fingerprint(values))))
}

fn fingerprint(values: &Context<'_>) -> u32 {
    (0..values.len()).fold(0, |crc, at| match values.get_raw(at) {
        ValueRef::Null => crc32c::crc32c_append(crc, b"n"),
        ValueRef::Integer(number) => of(crc, b'i', &number.to_le_bytes()),
        ValueRef::Real(number) => of(crc, b'r', &number.to_le_bytes()),
        ValueRef::Text(octets) => of(crc, b't', octets),
        ValueRef::Blob(octets) => of(crc, b'b', octets),
    })
}

fn of(crc: u32, kind: u8, octets: &[u8]) -> u32 {
    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX).to_le_bytes();
    let [a, b, c, d] = length;
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &[kind, a, b, c, d]), octets)
}

/// Tables whose rows carry a fingerprint, with the columns it is made of. The triggers of the schema say the same.
const MARKED: [(&str, &str); 26] = [
    (
        "account",
        "number, id, name, host, user, last_poll_ms, last_success_ms, last_error, failures, next_poll_ms, listed, \
         paused_ms, removed_ms, former, multidrop, trouble, trouble_polls, trouble_settings, expire_days, \
         login_delay_s, certificate_expires_ms",
    ),
    (
        "message",
        "number, id, nonce, header, size_bytes, kept_ms, pack, ordinal, journal, verdict, indexed_ms, date_ms, \
         from_line, to_line, subject, attachments, purged_ms",
    ),
    (
        "sighting",
        "number, account, uidl, ordinal, listed_bytes, fate, message, seen_ms, fate_ms, reason, attempts, \
         deleting_ms, delete_reason, gone_ms",
    ),
    ("session", "number, account, started_ms, ended_ms, counts, error"),
    (
        "verdict",
        "number, message, view, blob, size_bytes, verdict, detail, engine, signatures, transport, scanned_ms, \
         duration_ms",
    ),
    ("quarantine", "number, blob, size_bytes, signature, state, since_ms, changed_ms, asked_ms, asked_by, asked_why"),
    ("release", "number, item, signature, at_ms, reason, decider, asked_by"),
    ("reading", "number, message, kind, what, reader, at_ms, reason"),
    ("purge", "message, journal, at_ms, reason, decider"),
    ("rescanned", "number, why, signature_set, began_ms, ended_ms, messages, parts, changed, infected"),
    ("archive", "key, value"),
    ("pack", "number, class, committed_bytes, records, sealed_bytes, checked_ms"),
    ("checkpoint", "one, size, note"),
    ("verified", "number, at_ms, kind, messages, packs, bytes, damage"),
    ("request", "number, kind, argument, asked_ms, taken_ms, tries, done_ms, answer"),
    ("owner", "one, pid, started_ms, beat_ms, scanner"),
    ("dialog", "account, one_at_a_time_until, headers_differ_until"),
    ("rescan", "one, why, signature_set, began_ms, below, total, messages, parts, changed, infected"),
    ("purging", "pack, error"),
    ("document", "message, part, content, state"),
    ("extraction", "number, content, version, state, detail, text"),
    ("tie", "message, family, date_ms, ids, subject, stray, after"),
    ("named", "id, family"),
    ("tag", "name, message, at_ms, tagger"),
    ("note", "number, message, at_ms, author, text"),
    ("saved", "name, query, at_ms, author"),
];

/// A row of `work` has none before it fails.
const CHANGED_WORK: &str = "SELECT message FROM work WHERE mark IS NOT
    iif(mark IS NULL AND attempts = 0 AND error IS NULL, NULL, fingerprint(stage, message, attempts, error))";

fn printed(key: Value) -> String {
    match key {
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text,
        other => format!("{other:?}"),
    }
}

impl Catalog {
    /// Rows that do not have their fingerprint any more: table and key. One of them must not be trusted.
    pub fn changed_rows(&self) -> Result<Vec<(&'static str, String)>, Error> {
        let connection = self.connection();
        let mut changed = Vec::new();
        let mut look = |table, query: &str| {
            let mut statement = connection.prepare(query)?;
            let rows = statement.query_map([], |row| row.get::<_, Value>(0))?;
            for key in rows {
                changed.push((table, printed(key?)));
            }
            Ok::<_, Error>(())
        };
        for (table, columns) in MARKED {
            let key = columns.split(',').next().unwrap_or_default();
            look(table, &format!("SELECT {key} FROM {table} WHERE mark IS NOT fingerprint({columns})"))?;
        }
        look("work", CHANGED_WORK)?;
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::open::blank;
    use super::*;

    /// All of it stands in an index too, or is looked at before it is believed, or has a rule of its own.
    const WITHOUT: [&str; 6] = ["answer", "entry", "occurrence", "outbox", "part", "work"];

    #[test]
    fn every_column_is_in_its_rows_fingerprint() {
        let connection = blank().unwrap();
        let of = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let mut tables = connection.prepare(of).unwrap();
        let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
        for table in tables.filter(|table| !WITHOUT.contains(&table.as_str())) {
            let of = format!("SELECT name FROM pragma_table_info('{table}') WHERE name <> 'mark' ORDER BY cid");
            let mut columns = connection.prepare(&of).unwrap();
            let columns = columns.query_map([], |row| row.get::<_, String>(0)).unwrap();
            let columns = columns.map(Result::unwrap).collect::<Vec<_>>().join(", ");
            let marked = MARKED.iter().find(|(marked, _)| *marked == table).map(|(_, columns)| *columns);
            assert_eq!(marked, Some(&*columns), "{table}");
        }
    }

    #[test]
    fn a_change_behind_the_back_of_the_triggers_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(folder.path()).unwrap();
        catalog
            .connection()
            .execute_batch(
                "INSERT INTO account (number, id, name) VALUES (1, zeroblob(16), 'sales');
                 INSERT INTO pack (number, committed_bytes, records) VALUES (1, 64, 0), (3, 64, 0);
                 INSERT INTO verified (at_ms, kind, messages, packs, bytes, damage) VALUES (1, 'all', 0, 0, 0, '[]');
                 INSERT INTO dialog (account) VALUES (1);
                 INSERT INTO rescan (one, why, signature_set, began_ms, below, total) VALUES (1, 'new', 's', 1, 9, 9);
                 INSERT INTO purging (pack) VALUES (1);
                 UPDATE dialog SET headers_differ_until = 1;
                 UPDATE rescan SET below = 8;
                 UPDATE purging SET error = 'no room';",
            )
            .unwrap();
        assert_eq!(catalog.changed_rows().unwrap(), []);
        for (table, change) in [
            ("verified", "kind = 'ald'"),
            ("dialog", "one_at_a_time_until = 4"),
            ("rescan", "below = 0"),
            ("purging", "pack = 3"),
        ] {
            let update = format!("DROP TRIGGER {table}_is_marked_anew; UPDATE {table} SET {change};");
            catalog.connection().execute_batch(&update).unwrap();
            assert_eq!(catalog.changed_rows().unwrap().pop().map(|(table, _)| table), Some(table));
        }
    }
}

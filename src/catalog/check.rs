//! Whether the file still is what was written: for `verify`.

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::outbox::signed_size;
use super::{Catalog, Error, open};

impl Catalog {
    /// What is wrong with the catalog in itself, in words; empty when all is well: SQLite's own checks of the whole file,
    /// the schema, the fingerprints of the rows, and the numbers of the journal's entries.
    pub fn problems(&self) -> Result<Vec<String>, Error> {
        let mut problems = self.integrity_problems()?;
        problems.extend(self.schema_problems()?);
        let changed = self.changed_rows()?;
        problems.extend(changed.iter().map(|(table, key)| format!("row {key} of {table} is not what was written")));
        problems.extend(self.numbering_problems()?);
        problems.extend(self.work_problems()?);
        Ok(problems)
    }

    fn integrity_problems(&self) -> Result<Vec<String>, Error> {
        let connection = self.connection();
        let mut problems = Vec::new();
        for check in ["PRAGMA integrity_check", "PRAGMA foreign_key_check"] {
            let mut statement = connection.prepare(check)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                match row.get(0)? {
                    Value::Text(text) if text == "ok" => {}
                    Value::Text(text) => problems.push(text),
                    other => problems.push(format!("a broken reference: {other:?}")),
                }
            }
        }
        Ok(problems)
    }

    /// Tables, indices and triggers as the migrations make them.
    fn schema_problems(&self) -> Result<Vec<String>, Error> {
        let expected = schema(&open::blank()?)?;
        let found = schema(&self.connection())?;
        let lost = expected.iter().filter(|object| !found.contains(object));
        let strange = found.iter().filter(|object| !expected.contains(object));
        Ok(lost.chain(strange).map(|(name, _)| format!("{name} is not what poplar's schema says")).collect())
    }

    /// Entries are numbered without a gap, and the next one follows the last.
    fn numbering_problems(&self) -> Result<Vec<String>, Error> {
        let connection = self.connection();
        // As of one moment: the owner goes on.
        let connection = connection.unchecked_transaction()?;
        let signed = signed_size(&connection)?;
        let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, u64>(0));
        let mut problems = Vec::new();
        let (entries, last) =
            (number("SELECT count(*) FROM entry")?, number("SELECT coalesce(max(number) + 1, 0) FROM entry")?);
        if (entries, last) != (signed, signed) {
            problems.push(format!("{entries} journal entries of {signed} that are signed have a place"));
        }
        let (waiting, last) =
            (number("SELECT count(*) FROM outbox")?, number("SELECT coalesce(max(seq), 0) FROM outbox")?);
        let next = number("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'")?;
        if (waiting > 0 && last != signed + waiting) || next != signed + waiting {
            problems.push(format!("{signed} journal entries are signed and {waiting} wait, but the last is {next}"));
        }
        Ok(problems)
    }

    /// Every message is either done with or due, at every stage.
    fn work_problems(&self) -> Result<Vec<String>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT number FROM message WHERE purged_ms IS NULL AND (
                 ((indexed_ms IS NULL) <> EXISTS (SELECT 1 FROM work WHERE stage = 'index' AND message = number))
              OR ((verdict IN ('pending', 'error')) > EXISTS (SELECT 1 FROM work WHERE stage = 'scan' AND message = number)))",
        )?;
        let rows = statement.query_map(params![], |row| row.get::<_, i64>(0))?;
        rows.map(|number| Ok(format!("message {} is neither done nor due at some stage", number?))).collect()
    }
}

fn schema(connection: &Connection) -> Result<Vec<(String, Option<String>)>, Error> {
    let mut statement =
        connection.prepare("SELECT type || ' ' || name, tbl_name || ': ' || sql FROM sqlite_schema ORDER BY 1")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

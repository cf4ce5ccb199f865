//! What people said of messages: tags and notes; and the searches they keep.

use rusqlite::{Connection, OptionalExtension, params};

use super::apply::message_number;
use super::{Catalog, Error};
use crate::mail::event::{ForgottenSearch, Noted, SavedSearch, Tagging};
use crate::mail::text::folded;
use crate::mail::{Label, Timestamp};

/// A tag, and on how many messages it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagCount {
    pub name: String,
    pub messages: u64,
}

/// What somebody wrote about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteRow {
    pub at: Timestamp,
    pub by: String,
    pub text: String,
}

/// A search that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedRow {
    pub name: String,
    pub query: String,
    pub at: Timestamp,
    pub by: String,
}

impl Catalog {
    /// All tags that are on a message, by name.
    pub fn tags(&self) -> Result<Vec<TagCount>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT name, count(*) FROM tag GROUP BY name ORDER BY name")?;
        let rows = statement.query_map([], |row| Ok(TagCount { name: row.get(0)?, messages: row.get(1)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The tags on a message, by name.
    pub fn tags_of(&self, message: u64) -> Result<Vec<String>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT name FROM tag WHERE message = ?1 ORDER BY name")?;
        let rows = statement.query_map(params![message], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Numbers of the messages with a tag, ascending.
    pub fn numbers_with_tag(&self, tag: &Label) -> Result<Vec<u64>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT message FROM tag WHERE name = ?1 ORDER BY message")?;
        let rows = statement.query_map(params![tag.as_str()], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Numbers of the messages with a tag that is spelt so, whatever its case and diacritics.
    pub fn numbers_tagged(&self, spelling: &str) -> Result<Vec<u64>, Error> {
        let sought = folded(spelling.trim());
        let mut numbers = Vec::new();
        for tag in self.tags()?.into_iter().filter(|tag| folded(&tag.name) == sought) {
            let connection = self.connection();
            let mut statement = connection.prepare_cached("SELECT message FROM tag WHERE name = ?1")?;
            let rows = statement.query_map(params![tag.name], |row| row.get::<_, u64>(0))?;
            for row in rows {
                numbers.push(row?);
            }
        }
        Ok(numbers)
    }

    /// What people wrote about a message, the first one first.
    pub fn notes(&self, message: u64) -> Result<Vec<NoteRow>, Error> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT at_ms, author, text FROM note WHERE message = ?1 ORDER BY number")?;
        let rows = statement.query_map(params![message], |row| {
            Ok(NoteRow { at: Timestamp::from_millis(row.get(0)?), by: row.get(1)?, text: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The searches that have names, by name.
    pub fn saved_searches(&self) -> Result<Vec<SavedRow>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT name, query, at_ms, author FROM saved ORDER BY name")?;
        let rows = statement.query_map([], |row| {
            Ok(SavedRow {
                name: row.get(0)?,
                query: row.get(1)?,
                at: Timestamp::from_millis(row.get(2)?),
                by: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The query that a name stands for, if it does.
    pub fn saved_search(&self, name: &Label) -> Result<Option<String>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT query FROM saved WHERE name = ?1")?;
        Ok(statement.query_row(params![name.as_str()], |row| row.get(0)).optional()?)
    }
}

/// On a message that was destroyed a moment ago nothing is put any more; so with [`noted`].
pub(super) fn tagged(sql: &Connection, at: Timestamp, tagging: &Tagging) -> Result<(), Error> {
    let message = message_number(sql, &tagging.message)?;
    sql.prepare_cached(
        "INSERT OR IGNORE INTO tag (name, message, at_ms, tagger)
         SELECT ?2, number, ?3, ?4 FROM message WHERE number = ?1 AND purged_ms IS NULL",
    )?
    .execute(params![message, tagging.tag.as_str(), at.as_millis(), tagging.by])?;
    Ok(())
}

pub(super) fn untagged(sql: &Connection, tagging: &Tagging) -> Result<(), Error> {
    let message = message_number(sql, &tagging.message)?;
    sql.prepare_cached("DELETE FROM tag WHERE name = ?2 AND message = ?1")?
        .execute(params![message, tagging.tag.as_str()])?;
    Ok(())
}

pub(super) fn noted(sql: &Connection, at: Timestamp, noted: &Noted) -> Result<(), Error> {
    let message = message_number(sql, &noted.message)?;
    sql.prepare_cached(
        "INSERT INTO note (message, at_ms, author, text)
         SELECT number, ?2, ?3, ?4 FROM message WHERE number = ?1 AND purged_ms IS NULL",
    )?
    .execute(params![message, at.as_millis(), noted.by, noted.text])?;
    Ok(())
}

pub(super) fn saved(sql: &Connection, at: Timestamp, saved: &SavedSearch) -> Result<(), Error> {
    sql.prepare_cached("INSERT OR REPLACE INTO saved (name, query, at_ms, author) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![saved.name.as_str(), saved.query, at.as_millis(), saved.by])?;
    Ok(())
}

pub(super) fn forgotten(sql: &Connection, forgotten: &ForgottenSearch) -> Result<(), Error> {
    sql.prepare_cached("DELETE FROM saved WHERE name = ?1")?.execute(params![forgotten.name.as_str()])?;
    Ok(())
}

/// What was said of a message goes with its octets.
pub(super) fn forget_message(sql: &Connection, message: i64) -> Result<(), Error> {
    for statement in ["DELETE FROM tag WHERE message = ?1", "DELETE FROM note WHERE message = ?1"] {
        sql.prepare_cached(statement)?.execute(params![message])?;
    }
    Ok(())
}

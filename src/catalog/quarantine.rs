//! What is sealed off, what people decided about it, and who read what.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::apply::message_number;
use super::messages::word;
use super::{Catalog, Error};
use crate::mail::event::{Decision, Quarantined, Reading};
use crate::mail::{BlobId, BlobIdPrefix, Timestamp};

/// How it stands with octets that were sealed off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// Ordinary readers do not get them, wherever they occur.
    Sealed,
    /// A person let them out.
    Released,
    /// Every message that held them is destroyed.
    Purged,
}

impl ItemState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Released => "released",
            Self::Purged => "purged",
        }
    }
}

impl std::str::FromStr for ItemState {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        [Self::Sealed, Self::Released, Self::Purged].into_iter().find(|state| state.as_str() == word).ok_or(())
    }
}

/// Octets that were sealed off: a part as it is decoded, or a whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub number: i64,
    pub blob: BlobId,
    pub size_bytes: u64,
    /// What was found in them last.
    pub signature: String,
    pub state: ItemState,
    pub since: Timestamp,
    pub changed: Timestamp,
    /// Who wants them released, when and why, where a second person has yet to agree.
    pub asked: Option<(String, Timestamp, String)>,
}

/// A person's word on one finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub signature: String,
    pub at: Timestamp,
    pub reason: String,
    pub by: String,
    pub asked_by: Option<String>,
}

/// Somebody read a message, or took something out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBy {
    /// `viewed` or `exported`.
    pub kind: String,
    pub what: String,
    pub by: String,
    pub at: Timestamp,
    pub reason: Option<String>,
}

const COLUMNS: &str = "quarantine.number, quarantine.blob, quarantine.size_bytes, quarantine.signature, \
    quarantine.state, quarantine.since_ms, quarantine.changed_ms, quarantine.asked_ms, quarantine.asked_by, \
    quarantine.asked_why";

impl Held {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let asked: (Option<i64>, Option<String>, Option<String>) = (row.get(7)?, row.get(8)?, row.get(9)?);
        Ok(Self {
            number: row.get(0)?,
            blob: BlobId::from_bytes(row.get(1)?),
            size_bytes: row.get(2)?,
            signature: row.get(3)?,
            state: word(row, 4)?,
            since: Timestamp::from_millis(row.get(5)?),
            changed: Timestamp::from_millis(row.get(6)?),
            asked: asked
                .0
                .map(|at| (asked.1.unwrap_or_default(), Timestamp::from_millis(at), asked.2.unwrap_or_default())),
        })
    }
}

impl Catalog {
    /// Everything that was ever sealed off, the latest first.
    pub fn quarantine(&self) -> Result<Vec<Held>, Error> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM quarantine ORDER BY number DESC"))?;
        let rows = statement.query_map([], Held::from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How it stands with these octets; `None` where nothing was ever found in them.
    pub fn held(&self, blob: &BlobId) -> Result<Option<Held>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM quarantine WHERE blob = ?1"))?;
        Ok(statement.query_row(params![blob.as_bytes()], Held::from_row).optional()?)
    }

    /// Whether anything is kept from ordinary readers by its hash.
    pub fn holds_anything(&self) -> Result<bool, Error> {
        let connection = self.connection();
        Ok(connection.prepare_cached("SELECT 1 FROM quarantine WHERE state <> 'released'")?.exists([])?)
    }

    /// What is sealed off by the beginning of its hash: the first two are enough to tell whether it is unique.
    pub fn held_with_prefix(&self, prefix: &BlobIdPrefix) -> Result<Vec<Held>, Error> {
        let (low, high) = prefix.range();
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM quarantine WHERE blob BETWEEN ?1 AND ?2 LIMIT 2"))?;
        let rows = statement.query_map(params![low.as_bytes(), high.as_bytes()], Held::from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What was found in a message, in any state.
    pub fn held_in(&self, message: u64) -> Result<Vec<Held>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM quarantine JOIN occurrence ON occurrence.item = quarantine.number
             WHERE occurrence.message = ?1 ORDER BY quarantine.number"
        ))?;
        let rows = statement.query_map(params![message], Held::from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Numbers of the messages in which it was found, ascending.
    pub fn occurrences(&self, item: i64) -> Result<Vec<u64>, Error> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT message FROM occurrence WHERE item = ?1 ORDER BY message")?;
        let rows = statement.query_map(params![item], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Numbers of the messages that hold something sealed off, ascending.
    pub fn numbers_in_quarantine(&self) -> Result<Vec<u64>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT DISTINCT message FROM occurrence JOIN quarantine ON quarantine.number = occurrence.item
             WHERE state = 'sealed' ORDER BY message",
        )?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every release of these octets, the first one first.
    pub fn releases(&self, item: i64) -> Result<Vec<Release>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT signature, at_ms, reason, decider, asked_by FROM release WHERE item = ?1 ORDER BY number",
        )?;
        let rows = statement.query_map(params![item], |row| {
            Ok(Release {
                signature: row.get(0)?,
                at: Timestamp::from_millis(row.get(1)?),
                reason: row.get(2)?,
                by: row.get(3)?,
                asked_by: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Who read a message, or took something out of it, the first one first.
    pub fn read_by(&self, message: u64) -> Result<Vec<ReadBy>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT kind, what, reader, at_ms, reason FROM reading WHERE message = ?1 ORDER BY number",
        )?;
        let rows = statement.query_map(params![message], |row| {
            Ok(ReadBy {
                kind: row.get(0)?,
                what: row.get(1)?,
                by: row.get(2)?,
                at: Timestamp::from_millis(row.get(3)?),
                reason: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A finding that a person has let pass stays released; any other seals the octets off again.
pub(super) fn sealed_off(sql: &Connection, at: Timestamp, quarantined: &Quarantined) -> Result<(), Error> {
    let message = message_number(sql, &quarantined.message)?;
    for item in &quarantined.items {
        sql.prepare_cached(
            "INSERT INTO quarantine (blob, size_bytes, signature, state, since_ms, changed_ms)
             VALUES (?1, ?2, ?3, 'sealed', ?4, ?4)
             ON CONFLICT (blob) DO UPDATE SET signature = excluded.signature, state = 'sealed', changed_ms = ?4
             WHERE (signature <> excluded.signature OR state = 'purged') AND NOT EXISTS (
                 SELECT 1 FROM release WHERE item = quarantine.number AND release.signature = excluded.signature)",
        )?
        .execute(params![item.blob.as_bytes(), item.size_bytes, item.signature, at.as_millis()])?;
        sql.prepare_cached(
            "INSERT OR IGNORE INTO occurrence (item, message) SELECT number, ?2 FROM quarantine WHERE blob = ?1",
        )?
        .execute(params![item.blob.as_bytes(), message])?;
    }
    Ok(())
}

pub(super) fn release_asked(sql: &Connection, at: Timestamp, decision: &Decision) -> Result<(), Error> {
    sql.prepare_cached("UPDATE quarantine SET asked_ms = ?2, asked_by = ?3, asked_why = ?4 WHERE blob = ?1")?
        .execute(params![decision.blob.as_bytes(), at.as_millis(), decision.by, decision.reason])?;
    Ok(())
}

pub(super) fn released(sql: &Connection, at: Timestamp, decision: &Decision) -> Result<(), Error> {
    let Decision { blob, signature, reason, by, asked_by } = decision;
    sql.prepare_cached(
        "INSERT INTO release (item, signature, at_ms, reason, decider, asked_by)
         SELECT number, ?2, ?3, ?4, ?5, ?6 FROM quarantine WHERE blob = ?1",
    )?
    .execute(params![blob.as_bytes(), signature, at.as_millis(), reason, by, asked_by])?;
    // Should something else have been found in it meanwhile, that stands.
    sql.prepare_cached(
        "UPDATE quarantine SET state = iif(signature = ?2 AND state = 'sealed', 'released', state), changed_ms = ?3,
             asked_ms = NULL, asked_by = NULL, asked_why = NULL
         WHERE blob = ?1",
    )?
    .execute(params![blob.as_bytes(), signature, at.as_millis()])?;
    Ok(())
}

pub(super) fn was_read(sql: &Connection, at: Timestamp, kind: &str, reading: &Reading) -> Result<(), Error> {
    let message = message_number(sql, &reading.message)?;
    sql.prepare_cached(
        "INSERT INTO reading (message, kind, what, reader, at_ms, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![message, kind, reading.what, reading.by, at.as_millis(), reading.reason])?;
    Ok(())
}

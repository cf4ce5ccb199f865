//! Whose octets were destroyed, by whose word, and which packs may still hold some of them.

use rusqlite::{Connection, OptionalExtension, params};

use super::apply::message_number;
use super::documents;
use super::said;
use super::work::Stage;
use super::{Catalog, Error};
use crate::mail::event::Purged;
use crate::mail::{BlobId, Timestamp};

/// A person's word that the octets of a message be destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destroyed {
    pub at: Timestamp,
    pub by: String,
    pub reason: String,
    /// The index of its entry in the journal.
    pub journal: u64,
}

/// Where the octets of a destroyed message lay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestroyedRecord {
    pub ordinal: u32,
    pub id: BlobId,
    /// A signed checkpoint covers the word: they may go.
    pub may_go: bool,
}

/// A pack that may still hold octets of destroyed messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purging {
    pub pack: u64,
    /// Why it could not be written anew, the last time.
    pub error: Option<String>,
}

/// Of a row of `message`: that a checkpoint covers the word that destroys it.
pub(super) const MAY_GO: &str = "EXISTS (SELECT 1 FROM purge, checkpoint
    WHERE purge.message = message.number AND purge.journal < checkpoint.size)";

impl Catalog {
    /// Who had a message destroyed, and why; `None` where its octets are there.
    pub fn destroyed(&self, message: u64) -> Result<Option<Destroyed>, Error> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT at_ms, decider, reason, journal FROM purge WHERE message = ?1")?;
        let destroyed = statement.query_row(params![message], |row| {
            Ok(Destroyed {
                at: Timestamp::from_millis(row.get(0)?),
                by: row.get(1)?,
                reason: row.get(2)?,
                journal: row.get(3)?,
            })
        });
        Ok(destroyed.optional()?)
    }

    /// The messages that lie or lay in a pack and are destroyed, by ordinal.
    pub fn destroyed_in(&self, pack: u64) -> Result<Vec<DestroyedRecord>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT ordinal, id, {MAY_GO} FROM message WHERE pack = ?1 AND purged_ms IS NOT NULL ORDER BY ordinal"
        ))?;
        let rows = statement.query_map(params![pack], |row| {
            Ok(DestroyedRecord { ordinal: row.get(0)?, id: BlobId::from_bytes(row.get(1)?), may_go: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many messages are destroyed.
    pub fn destroyed_count(&self) -> Result<u64, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT count(*) FROM message WHERE purged_ms IS NOT NULL")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// How many messages the index may hold: all that are not destroyed, and of those that are the ones still to be taken
    /// out.
    pub fn indexable_count(&self) -> Result<u64, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT (SELECT count(*) FROM message) - (SELECT count(*) FROM message WHERE purged_ms IS NOT NULL AND NOT EXISTS
                 (SELECT 1 FROM work WHERE stage = 'index' AND work.message = message.number))",
        )?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Whether a message is due for a stage, or stuck there.
    pub fn is_waiting(&self, stage: Stage, message: u64) -> Result<bool, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT 1 FROM work WHERE stage = ?1 AND message = ?2")?;
        Ok(statement.exists(params![stage.as_str(), message])?)
    }

    /// The packs that may still hold octets of destroyed messages.
    pub fn purging(&self) -> Result<Vec<Purging>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT pack, error FROM purging ORDER BY pack")?;
        let rows = statement.query_map([], |row| Ok(Purging { pack: row.get(0)?, error: row.get(1)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A pack holds octets of destroyed messages.
    pub fn note_purging(&self, pack: u64) -> Result<(), Error> {
        self.connection().prepare_cached("INSERT OR IGNORE INTO purging (pack) VALUES (?1)")?.execute(params![pack])?;
        Ok(())
    }

    /// A pack could not be written anew.
    pub fn purging_failed(&self, pack: u64, error: &str) -> Result<(), Error> {
        self.connection()
            .prepare_cached("UPDATE purging SET error = ?2 WHERE pack = ?1")?
            .execute(params![pack, error])?;
        Ok(())
    }

    /// What failed is tried again.
    pub fn retry_purging(&self) -> Result<(), Error> {
        self.connection().execute("UPDATE purging SET error = NULL WHERE error IS NOT NULL", [])?;
        Ok(())
    }

    /// A pack holds none of the `destroyed` messages that the catalog had for it when the pack was looked at. Should there be
    /// more by now, the note stays.
    pub fn purged(&self, pack: u64, destroyed: usize) -> Result<(), Error> {
        self.connection()
            .prepare_cached(
                "DELETE FROM purging WHERE pack = ?1
                     AND (SELECT count(*) FROM message WHERE pack = ?1 AND purged_ms IS NOT NULL) = ?2",
            )?
            .execute(params![pack, destroyed])?;
        Ok(())
    }
}

/// Its row stays, without what was read from its octets and what people said of it; so do its sightings, its verdicts and its journal entries. The
/// index is told first of all.
pub(super) fn purged(sql: &Connection, at: Timestamp, purged: &Purged, journal: u64) -> Result<(), Error> {
    let message = message_number(sql, &purged.message)?;
    let fresh = sql
        .prepare_cached(
            "UPDATE message SET purged_ms = ?2, indexed_ms = NULL, date_ms = NULL, from_line = NULL,
                 to_line = NULL, subject = NULL, attachments = '[]'
             WHERE number = ?1 AND purged_ms IS NULL",
        )?
        .execute(params![message, at.as_millis()])?;
    if fresh == 0 {
        return Ok(());
    }
    sql.prepare_cached("INSERT INTO purge (message, journal, at_ms, reason, decider) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![message, journal, at.as_millis(), purged.reason, purged.by])?;
    sql.prepare_cached("INSERT OR REPLACE INTO purging (pack) SELECT pack FROM message WHERE number = ?1")?
        .execute(params![message])?;
    documents::forget(sql, message)?;
    said::forget_message(sql, message)?;
    sql.prepare_cached("DELETE FROM work WHERE message = ?1")?.execute(params![message])?;
    sql.prepare_cached("INSERT INTO work (stage, message, due_ms) VALUES ('index', ?1, 0)")?
        .execute(params![message])?;
    sql.prepare_cached(
        "UPDATE quarantine SET state = 'purged', changed_ms = ?2
         WHERE state <> 'purged' AND number IN (SELECT item FROM occurrence WHERE message = ?1) AND NOT EXISTS (
             SELECT 1 FROM occurrence JOIN message ON message.number = occurrence.message
             WHERE occurrence.item = quarantine.number AND message.purged_ms IS NULL)",
    )?
    .execute(params![message, at.as_millis()])?;
    Ok(())
}

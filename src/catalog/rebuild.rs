//! A catalog made anew from what packs and journal say, beside the old one.

use std::path::Path;

use rusqlite::{OptionalExtension, TransactionBehavior, params};

use super::apply::{Place, apply};
use super::packs::PackRow;
use super::{Catalog, Error};
use crate::files;
use crate::mail::{BlobId, Event, Occurrence};

/// What was found in packs is gathered in tables that are dropped at the end: an archive may hold more than memory does.
const GATHERED: &str = "
    CREATE TABLE IF NOT EXISTS found_record (
        commitment BLOB PRIMARY KEY, pack INTEGER NOT NULL, ordinal INTEGER NOT NULL, claimed INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS found_message (
        id BLOB PRIMARY KEY, pack INTEGER NOT NULL, ordinal INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;";

const NAME: &str = "catalog.db";

/// A catalog on its way.
#[derive(Debug)]
pub struct Rebuilding {
    catalog: Catalog,
}

/// One journal entry with its private record's place, if that can be read.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// The entry's index in the tree.
    pub index: u64,
    pub occurrence: Occurrence,
    pub record: Option<Place>,
}

impl Rebuilding {
    /// Begins an empty catalog in a folder that has none. It is not durable before [`Self::finish`].
    pub fn begin(folder: &Path) -> Result<Self, Error> {
        let catalog = Catalog::open(folder)?;
        {
            let connection = catalog.connection();
            connection.execute_batch("PRAGMA synchronous = OFF")?;
            connection.execute_batch(GATHERED)?;
        }
        Ok(Self { catalog })
    }

    /// A pack that is there, and the parts it stores.
    pub fn pack(&self, pack: &PackRow, parts: &[(BlobId, u32)]) -> Result<(), Error> {
        let mut connection = self.catalog.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        sql.execute(
            "INSERT INTO pack (number, committed_bytes, records, sealed_bytes) VALUES (?1, ?2, ?3, ?4)",
            params![pack.number, pack.committed_bytes, pack.records, pack.sealed_bytes],
        )?;
        for (id, ordinal) in parts {
            sql.prepare_cached("INSERT OR IGNORE INTO part (id, pack, ordinal) VALUES (?1, ?2, ?3)")?
                .execute(params![id.as_bytes(), pack.number, ordinal])?;
        }
        Ok(sql.commit()?)
    }

    /// Messages, by id, and private records, by the commitment that a leaf makes to them, as they were found. Of those
    /// that are there twice the first counts.
    pub fn found(&self, messages: &[(BlobId, Place)], records: &[(BlobId, Place)]) -> Result<(), Error> {
        let mut connection = self.catalog.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (id, (pack, ordinal)) in messages {
            sql.prepare_cached("INSERT OR IGNORE INTO found_message (id, pack, ordinal) VALUES (?1, ?2, ?3)")?
                .execute(params![id.as_bytes(), pack, ordinal])?;
        }
        for (commitment, (pack, ordinal)) in records {
            sql.prepare_cached("INSERT OR IGNORE INTO found_record (commitment, pack, ordinal) VALUES (?1, ?2, ?3)")?
                .execute(params![commitment.as_bytes(), pack, ordinal])?;
        }
        Ok(sql.commit()?)
    }

    /// Messages whose octets were destroyed, and where they lay: no pack holds them any more.
    pub fn destroyed(&self, messages: &[(BlobId, Place)]) -> Result<(), Error> {
        let mut connection = self.catalog.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (id, (pack, ordinal)) in messages {
            sql.prepare_cached("INSERT OR REPLACE INTO found_message (id, pack, ordinal) VALUES (?1, ?2, ?3)")?
                .execute(params![id.as_bytes(), pack, ordinal])?;
        }
        Ok(sql.commit()?)
    }

    /// Where the private record lies that a leaf commits to. From now on it is that leaf's.
    pub fn claim(&self, commitment: &BlobId) -> Result<Option<Place>, Error> {
        let connection = self.catalog.connection();
        let mut statement = connection
            .prepare_cached("UPDATE found_record SET claimed = 1 WHERE commitment = ?1 RETURNING pack, ordinal")?;
        Ok(statement.query_row(params![commitment.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// Private records that no leaf commits to, in the order in which they were written.
    pub fn unclaimed(&self) -> Result<Vec<Place>, Error> {
        let connection = self.catalog.connection();
        let mut statement =
            connection.prepare("SELECT pack, ordinal FROM found_record WHERE claimed = 0 ORDER BY pack, ordinal")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Makes facts of events, in the order of the journal. What could not be, by the index of the entry.
    pub fn apply(&self, events: &[Rebuilt]) -> Result<Vec<(u64, Error)>, Error> {
        let mut connection = self.catalog.connection();
        let mut sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut refused = Vec::new();
        for Rebuilt { index, occurrence, record } in events {
            if let Some((pack, ordinal)) = record {
                sql.prepare_cached("INSERT INTO entry (number, pack, ordinal) VALUES (?1, ?2, ?3)")?
                    .execute(params![index, pack, ordinal])?;
            }
            let place = match &occurrence.event {
                Event::Kept(kept) => sql
                    .prepare_cached("SELECT pack, ordinal FROM found_message WHERE id = ?1")?
                    .query_row(params![kept.message.id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?,
                _ => None,
            };
            let mut savepoint = sql.savepoint()?;
            match apply(&savepoint, occurrence, *index, place) {
                Ok(()) => savepoint.commit()?,
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    savepoint.rollback()?;
                    savepoint.commit()?;
                    refused.push((*index, error));
                }
            }
        }
        sql.commit()?;
        Ok(refused)
    }

    /// Whether a message is among the facts; and where its octets were found.
    pub fn message(&self, id: &BlobId) -> Result<(bool, Option<Place>), Error> {
        let known = self.catalog.message(id)?.is_some();
        let connection = self.catalog.connection();
        let mut statement = connection.prepare_cached("SELECT pack, ordinal FROM found_message WHERE id = ?1")?;
        let place = statement.query_row(params![id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok((known, place))
    }

    /// The journal is signed this far: the next entry has this index.
    pub fn signed(&self, size: u64, note: &str) -> Result<(), Error> {
        let connection = self.catalog.connection();
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'outbox'", [])?;
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?1)", params![size])?;
        connection.execute("INSERT INTO checkpoint (one, size, note) VALUES (1, ?1, ?2)", params![size, note])?;
        Ok(())
    }

    /// For entries that no checkpoint covers yet: they are told as they happen in life.
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Everything in one file.
    pub fn finish(self) -> Result<(), Error> {
        let connection = self.catalog.connection();
        connection.execute_batch(
            "DROP TABLE found_record; DROP TABLE found_message; PRAGMA synchronous = FULL; VACUUM;
             PRAGMA wal_checkpoint(TRUNCATE);",
        )?;
        Ok(())
    }
}

impl Catalog {
    /// Puts the catalog of the folder `beside` in the place of the one in `folder`, which may be there or not. A crash
    /// leaves one of them, or none; never one with the other's log.
    pub fn replace(folder: &Path, beside: &Path) -> Result<(), Error> {
        let failed = |error: std::io::Error| Error::Replace(folder.join(NAME), error);
        for suffix in ["", "-wal", "-shm"] {
            let old = folder.join(format!("{NAME}{suffix}"));
            match std::fs::remove_file(&old) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
                _ => files::sync_dir(folder).map_err(failed)?,
            }
        }
        files::move_in(&beside.join(NAME), &folder.join(NAME)).map_err(failed)
    }
}

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::apply::Place;
use super::purge::MAY_GO;
use super::{Catalog, Error};
use crate::mail::{BlobId, Nonce, Timestamp};

/// How far an open pack counts: number, octets, records.
pub type PackExtent = (u64, u64, u32);

/// A pack that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackRow {
    pub number: u64,
    /// Octets of the open pack that are committed.
    pub committed_bytes: u64,
    /// The ordinal that follows the last one.
    pub records: u32,
    /// The length of the sealed file; `None` while the pack is open.
    pub sealed_bytes: Option<u64>,
    /// When all of it was last read and hashed.
    pub checked: Option<Timestamp>,
}

/// A message by where it lies in its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedMessage {
    pub ordinal: u32,
    pub id: BlobId,
    pub nonce: Nonce,
    /// The index of the journal entry that says it was kept.
    pub journal: u64,
}

impl PackRow {
    /// How much of the disk it takes.
    pub fn stored_bytes(&self) -> u64 {
        self.sealed_bytes.unwrap_or(self.committed_bytes)
    }

    pub const fn extent(&self) -> PackExtent {
        (self.number, self.committed_bytes, self.records)
    }
}

impl Catalog {
    /// All packs that count, in the order of their numbers.
    pub fn packs(&self) -> Result<Vec<PackRow>, Error> {
        packs(&self.connection())
    }

    /// Notes that a pack has been sealed, and the parts that it stores.
    pub fn sealed(&self, (number, sealed_bytes, records): PackExtent, parts: &[(BlobId, u32)]) -> Result<(), Error> {
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        sql.prepare_cached("UPDATE pack SET sealed_bytes = ?2, records = ?3 WHERE number = ?1")?.execute(params![
            number,
            sealed_bytes,
            records
        ])?;
        sql.prepare_cached("DELETE FROM part WHERE pack = ?1")?.execute(params![number])?;
        for (id, ordinal) in parts {
            sql.prepare_cached("INSERT OR IGNORE INTO part (id, pack, ordinal) VALUES (?1, ?2, ?3)")?
                .execute(params![id.as_bytes(), number, ordinal])?;
        }
        Ok(sql.commit()?)
    }

    /// Where an attachment that is stored once lies.
    pub fn part(&self, id: &BlobId) -> Result<Option<Place>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT pack, ordinal FROM part WHERE id = ?1")?;
        Ok(statement.query_row(params![id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// The messages that lie in a pack, by ordinal: without those whose octets may be destroyed ([`Catalog::destroyed_in`]).
    pub fn in_pack(&self, pack: u64) -> Result<Vec<PackedMessage>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT ordinal, id, nonce, message.journal FROM message WHERE pack = ?1
                 AND NOT (purged_ms IS NOT NULL AND {MAY_GO}) ORDER BY ordinal"
        ))?;
        let rows = statement.query_map(params![pack], |row| {
            Ok(PackedMessage {
                ordinal: row.get(0)?,
                id: BlobId::from_bytes(row.get(1)?),
                nonce: Nonce::from_bytes(row.get(2)?),
                journal: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The parts that lie in a pack, by ordinal.
    pub fn parts_in_pack(&self, pack: u64) -> Result<Vec<(u32, BlobId)>, Error> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT ordinal, id FROM part WHERE pack = ?1 ORDER BY ordinal")?;
        let rows = statement.query_map(params![pack], |row| Ok((row.get(0)?, BlobId::from_bytes(row.get(1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// All of a pack was read and hashed, and found whole.
    pub fn pack_checked(&self, number: u64, at: Timestamp) -> Result<(), Error> {
        self.connection()
            .prepare_cached("UPDATE pack SET checked_ms = ?2 WHERE number = ?1")?
            .execute(params![number, at.as_millis()])?;
        Ok(())
    }
}

pub(super) fn packs(sql: &Connection) -> Result<Vec<PackRow>, Error> {
    let mut statement = sql.prepare_cached(
        "SELECT number, committed_bytes, records, sealed_bytes, checked_ms FROM pack ORDER BY number",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(PackRow {
            number: row.get(0)?,
            committed_bytes: row.get(1)?,
            records: row.get(2)?,
            sealed_bytes: row.get(3)?,
            checked: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn extend(sql: &Connection, extents: &[PackExtent]) -> Result<(), Error> {
    for (pack, bytes, records) in extents {
        sql.prepare_cached(
            "INSERT INTO pack (number, committed_bytes, records) VALUES (?1, ?2, ?3)
             ON CONFLICT (number) DO UPDATE SET committed_bytes = excluded.committed_bytes, records = excluded.records",
        )?
        .execute(params![pack, bytes, records])?;
    }
    Ok(())
}

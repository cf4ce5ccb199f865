//! Journal entries on their way: from the transaction that made them facts, through a pack, under a signed checkpoint.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::apply::Place;
use super::commit::Half;
use super::packs::{PackExtent, PackRow, extend, packs};
use super::{Catalog, Error};

/// What the journal is to be signed over next.
#[derive(Clone, Debug)]
pub struct Unsigned {
    /// The index of the first leaf.
    pub first: u64,
    /// Leaves whose private records are in packs, in their order, without a gap.
    pub leaves: Vec<Vec<u8>>,
    /// The packs as they are at the moment of these leaves.
    pub packs: Vec<PackRow>,
}

/// A journal entry's private record, by where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPlace {
    pub ordinal: u32,
    /// The entry's index in the tree.
    pub index: u64,
}

impl Catalog {
    /// Private records that still wait for a place in a pack, oldest first.
    pub fn waiting_records(&self, limit: u32) -> Result<Vec<(i64, Vec<u8>)>, Error> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT seq, record FROM outbox WHERE record IS NOT NULL ORDER BY seq LIMIT ?1")?;
        let rows = statement.query_map(params![limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The records with these numbers have been put into packs.
    pub fn records_stored(&self, extents: &[PackExtent], places: &[(i64, Place)]) -> Result<(), Error> {
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        extend(&sql, extents)?;
        for (seq, (pack, ordinal)) in places {
            sql.prepare_cached("UPDATE outbox SET record = NULL, pack = ?2, ordinal = ?3 WHERE seq = ?1")?
                .execute(params![seq, pack, ordinal])?;
        }
        Ok(sql.commit()?)
    }

    /// Leaves that no checkpoint covers and whose private records are in packs, at most `limit`, and the packs; as of
    /// one moment.
    pub fn unsigned(&self, limit: u32) -> Result<Unsigned, Error> {
        let mut connection = self.connection();
        let sql = connection.transaction()?;
        let first: u64 = signed_size(&sql)?;
        let mut leaves = Vec::new();
        {
            let mut statement = sql.prepare_cached("SELECT seq - 1, leaf, pack FROM outbox ORDER BY seq LIMIT ?1")?;
            let mut rows = statement.query(params![limit])?;
            while let Some(row) = rows.next()? {
                let (index, pack): (u64, Option<u64>) = (row.get(0)?, row.get(2)?);
                if index != first + leaves.len() as u64 {
                    return Err(Error::Unreadable(format!("journal entry {} is missing", first + leaves.len() as u64)));
                }
                if pack.is_none() {
                    break;
                }
                leaves.push(row.get(1)?);
            }
        }
        let packs = packs(&sql)?;
        Ok(Unsigned { first, leaves, packs })
    }

    /// A checkpoint covers the first `size` entries: they leave the outbox, and where their private records lie is kept.
    pub fn signed(&self, size: u64, note: &str) -> Result<(), Error> {
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        sql.prepare_cached(
            "INSERT INTO entry (number, pack, ordinal) SELECT seq - 1, pack, ordinal FROM outbox WHERE seq <= ?1",
        )?
        .execute(params![size])?;
        sql.prepare_cached("DELETE FROM outbox WHERE seq <= ?1")?.execute(params![size])?;
        sql.prepare_cached(
            "INSERT INTO checkpoint (one, size, note) VALUES (1, ?1, ?2)
             ON CONFLICT (one) DO UPDATE SET size = excluded.size, note = excluded.note",
        )?
        .execute(params![size, note])?;
        Ok(sql.commit()?)
    }

    /// The checkpoint that covers all entries which have left the outbox: how many, and the signed note.
    pub fn checkpoint(&self) -> Result<Option<(u64, String)>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT size, note FROM checkpoint")?;
        Ok(statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// How many journal entries there are, signed or not.
    pub fn entry_count(&self) -> Result<u64, Error> {
        let connection = self.connection();
        let waiting: u64 =
            connection.prepare_cached("SELECT coalesce(max(seq), 0) FROM outbox")?.query_row([], |row| row.get(0))?;
        Ok(waiting.max(signed_size(&connection)?))
    }

    /// The leaf of an entry that no checkpoint covers yet.
    pub fn unsigned_leaf(&self, index: u64) -> Result<Option<Vec<u8>>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT leaf FROM outbox WHERE seq = ?1 + 1")?;
        Ok(statement.query_row(params![index], |row| row.get(0)).optional()?)
    }

    /// Both halves of an entry that no checkpoint covers yet.
    pub fn unsigned_halves(&self, index: u64) -> Result<Option<(Vec<u8>, Half)>, Error> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT leaf, record, pack, ordinal FROM outbox WHERE seq = ?1 + 1")?;
        let halves = statement.query_row(params![index], |row| {
            let waiting: Option<Vec<u8>> = row.get(1)?;
            let record = match waiting {
                Some(record) => Half::Waiting(record),
                None => Half::Stored((row.get(2)?, row.get(3)?)),
            };
            Ok((row.get(0)?, record))
        });
        Ok(halves.optional()?)
    }

    /// Where an entry's private record lies; `None` while it waits, or if there is no such entry.
    pub fn entry_place(&self, index: u64) -> Result<Option<Place>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT pack, ordinal FROM entry WHERE number = ?1
             UNION ALL SELECT pack, ordinal FROM outbox WHERE seq = ?1 + 1 AND pack IS NOT NULL",
        )?;
        Ok(statement.query_row(params![index], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// Journal entries whose private records lie in a pack, by ordinal.
    pub fn entries_in_pack(&self, pack: u64) -> Result<Vec<EntryPlace>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT ordinal, number FROM entry WHERE pack = ?1
             UNION ALL SELECT ordinal, seq - 1 FROM outbox WHERE pack = ?1 ORDER BY 1",
        )?;
        let rows =
            statement.query_map(params![pack], |row| Ok(EntryPlace { ordinal: row.get(0)?, index: row.get(1)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

pub(super) fn signed_size(sql: &Connection) -> Result<u64, Error> {
    let size: Option<u64> =
        sql.prepare_cached("SELECT size FROM checkpoint")?.query_row([], |row| row.get(0)).optional()?;
    Ok(size.unwrap_or(0))
}

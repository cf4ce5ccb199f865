use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::apply::{Place, apply};
use super::{Catalog, Error};
use crate::mail::{BlobId, Event, Nonce, Occurrence};

/// One event with both halves of its journal entry. The halves come as octets: what they look like is the journal's
/// affair.
#[derive(Clone, Debug)]
pub struct Told {
    pub occurrence: Occurrence,
    pub leaf: Vec<u8>,
    pub record: Half,
    /// Where a kept message's octets lie.
    pub place: Option<Place>,
}

/// The private half: in a pack already, or still to be put there by the archive's owner.
#[derive(Clone, Debug)]
pub enum Half {
    Stored(Place),
    Waiting(Vec<u8>),
}

impl Told {
    pub const fn new(occurrence: Occurrence, leaf: Vec<u8>, record: Vec<u8>) -> Self {
        Self { occurrence, leaf, record: Half::Waiting(record), place: None }
    }

    /// The octets of the message and of the private record are in a pack.
    pub fn stored(occurrence: Occurrence, leaf: Vec<u8>, record: Place, message: Option<Place>) -> Self {
        Self { occurrence, leaf, record: Half::Stored(record), place: message }
    }
}

/// How far a pack counts: number, octets, records.
pub type PackExtent = (u64, u64, u32);

/// Proof that a message's row and the sighting that led to it are committed. Only the catalog makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded(BlobId);

impl Recorded {
    pub const fn id(&self) -> BlobId {
        self.0
    }

    pub(super) const fn new(id: BlobId) -> Self {
        Self(id)
    }
}

/// What a commit did with one event.
#[derive(Debug)]
pub enum Committed {
    Message(Recorded),
    Other,
    /// This event could not be applied; the others of the batch were.
    Refused(Error),
}

impl Catalog {
    /// The one commit point: facts, journal entries and the extents of the packs, all in one transaction, durable
    /// when this returns. Each event has a savepoint, so that a bad one does not take the others with it.
    pub fn commit(&self, extents: &[PackExtent], events: &[Told]) -> Result<Vec<Committed>, Error> {
        let mut connection = self.connection();
        let mut sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        extend(&sql, extents)?;
        let mut outcomes = Vec::with_capacity(events.len());
        for told in events {
            let mut savepoint = sql.savepoint()?;
            match tell(&savepoint, told) {
                Ok(()) => {
                    savepoint.commit()?;
                    outcomes.push(committed(&told.occurrence.event));
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    savepoint.rollback()?;
                    savepoint.commit()?;
                    outcomes.push(Committed::Refused(error));
                }
            }
        }
        sql.commit()?;
        Ok(outcomes)
    }

    /// How far each pack counts, in the order of their numbers.
    pub fn extents(&self) -> Result<Vec<PackExtent>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare("SELECT number, committed_bytes, records FROM pack ORDER BY number")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The nonce of a message that is in the archive.
    pub fn nonce(&self, id: &BlobId) -> Result<Option<Nonce>, Error> {
        let connection = self.connection();
        let nonce: Option<[u8; 32]> = connection
            .prepare_cached("SELECT nonce FROM message WHERE id = ?1")?
            .query_row(params![id.as_bytes()], |row| row.get(0))
            .optional()?;
        Ok(nonce.map(Nonce::from_bytes))
    }

    /// Private records that still wait for a place in a pack, oldest first.
    pub fn waiting_records(&self, limit: u32) -> Result<Vec<(i64, Vec<u8>)>, Error> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT seq, record FROM outbox WHERE record IS NOT NULL ORDER BY seq LIMIT ?1")?;
        let rows = statement.query_map(params![limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Journal entries whose private records lie in a pack: index, leaf, ordinal of the record.
    pub fn entries_in_pack(&self, pack: u64) -> Result<Vec<(u64, Vec<u8>, u32)>, Error> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT seq - 1, leaf, ordinal FROM outbox WHERE pack = ?1 ORDER BY ordinal")?;
        let rows = statement.query_map(params![pack], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many journal entries there are.
    pub fn entry_count(&self) -> Result<u64, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT count(*) FROM outbox")?;
        Ok(statement.query_row([], |row| row.get(0))?)
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
}

fn extend(sql: &Transaction<'_>, extents: &[PackExtent]) -> Result<(), Error> {
    for (pack, bytes, records) in extents {
        sql.prepare_cached(
            "INSERT INTO pack (number, committed_bytes, records) VALUES (?1, ?2, ?3)
             ON CONFLICT (number) DO UPDATE SET committed_bytes = excluded.committed_bytes, records = excluded.records",
        )?
        .execute(params![pack, bytes, records])?;
    }
    Ok(())
}

fn tell(sql: &Connection, told: &Told) -> Result<(), Error> {
    let (record, place) = match &told.record {
        Half::Stored((pack, ordinal)) => (None, Some((pack, ordinal))),
        Half::Waiting(record) => (Some(record), None),
    };
    sql.prepare_cached("INSERT INTO outbox (leaf, record, pack, ordinal) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![told.leaf, record, place.map(|place| place.0), place.map(|place| place.1)])?;
    // Numbers begin at 1, indices in the tree at 0.
    let journal = u64::try_from(sql.last_insert_rowid() - 1).unwrap_or(0);
    apply(sql, &told.occurrence, journal, told.place)
}

const fn committed(event: &Event) -> Committed {
    match event {
        Event::Kept(kept) => Committed::Message(Recorded::new(kept.message.id)),
        Event::Sighted(sighted) => Committed::Message(Recorded::new(sighted.message.id)),
        _ => Committed::Other,
    }
}

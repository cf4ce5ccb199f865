use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::apply::{Place, apply};
use super::packs::{PackExtent, extend};
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

/// Proof that a message's row and the sighting that led to it are committed. Only the catalog makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    id: BlobId,
    journal: u64,
}

impl Recorded {
    pub const fn id(&self) -> BlobId {
        self.id
    }

    /// The index of the entry that says it was kept.
    pub const fn journal(&self) -> u64 {
        self.journal
    }

    pub(super) const fn new(id: BlobId, journal: u64) -> Self {
        Self { id, journal }
    }
}

/// The length of the file; what counts of it may be less.
pub(super) fn log_bytes(connection: &Connection) -> u64 {
    let log = format!("{}-wal", connection.path().unwrap_or_default());
    std::fs::metadata(log).map_or(0, |log| log.len())
}

/// What a commit did with one event.
#[derive(Debug)]
pub enum Committed {
    Message(Recorded),
    Other,
    /// This event could not be applied; the others of the batch were.
    Refused(Error),
}

/// How long a log readers leave behind. Where no owner is there, each of them reads all of it before anything else.
pub(super) const READERS_LOG_BYTES: u64 = 128 * 1024;

impl Catalog {
    /// The one commit point: facts, journal entries and the extents of the packs, all in one transaction, durable
    /// when this returns. A bad event does not take the others with it.
    pub fn commit(&self, extents: &[PackExtent], events: &[Told]) -> Result<Vec<Committed>, Error> {
        commit(&mut self.connection(), extents, events)
    }

    /// The same without waiting for the disk, but for the first in a new log: for who read what. It outlives this process
    /// at once, and a power cut as soon as the log is synced next, which each commit of the archive's owner does. Signed
    /// is only what such a commit has named a place for, so that no checkpoint covers what may still be lost. For readers
    /// beside the owner: the last connection to be closed leaves the log as it is, unless it is long.
    pub fn commit_unsynced(&self, events: &[Told]) -> Result<Vec<Committed>, Error> {
        let mut connection = self.connection();
        // To bring the log into the file does not shorten it where each reader is alone: that takes one who knows of both.
        connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;")?;
        let outcomes = commit(&mut connection, &[], events);
        connection.execute_batch("PRAGMA synchronous = FULL;")?;
        let is_short = log_bytes(&connection) <= READERS_LOG_BYTES;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, is_short)?;
        outcomes
    }

    /// The nonces of messages, in their order; none for one that is not in the archive.
    pub fn nonces<'a>(&self, ids: impl IntoIterator<Item = &'a BlobId>) -> Result<Vec<Option<Nonce>>, Error> {
        let mut connection = self.connection();
        // One look at the file for all of them.
        let sql = connection.transaction()?;
        let mut statement = sql.prepare_cached("SELECT nonce FROM message WHERE id = ?1")?;
        let nonce = |id: &BlobId| {
            let nonce: Option<[u8; 32]> = statement.query_row(params![id.as_bytes()], |row| row.get(0)).optional()?;
            Ok(nonce.map(Nonce::from_bytes))
        };
        ids.into_iter().map(nonce).collect()
    }
}

fn commit(connection: &mut Connection, extents: &[PackExtent], events: &[Told]) -> Result<Vec<Committed>, Error> {
    match commit_together(connection, extents, events)? {
        Some(outcomes) => Ok(outcomes),
        None => commit_apart(connection, extents, events),
    }
}

/// None where an event could not be applied: nothing is written then.
fn commit_together(
    connection: &mut Connection,
    extents: &[PackExtent],
    events: &[Told],
) -> Result<Option<Vec<Committed>>, Error> {
    let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    extend(&sql, extents)?;
    let mut outcomes = Vec::with_capacity(events.len());
    for told in events {
        match tell(&sql, told) {
            Ok(journal) => outcomes.push(committed(&told.occurrence.event, journal)),
            Err(error) if error.is_transient() => return Err(error),
            Err(_) => return Ok(None),
        }
    }
    sql.commit()?;
    Ok(Some(outcomes))
}

/// With a savepoint for each event, which costs as much again as what is written: only where one of them is bad.
fn commit_apart(connection: &mut Connection, extents: &[PackExtent], events: &[Told]) -> Result<Vec<Committed>, Error> {
    let mut sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    extend(&sql, extents)?;
    let mut outcomes = Vec::with_capacity(events.len());
    for told in events {
        let mut savepoint = sql.savepoint()?;
        match tell(&savepoint, told) {
            Ok(journal) => {
                savepoint.commit()?;
                outcomes.push(committed(&told.occurrence.event, journal));
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

/// The index of the event's entry in the journal.
fn tell(sql: &Connection, told: &Told) -> Result<u64, Error> {
    let (record, place) = match &told.record {
        Half::Stored((pack, ordinal)) => (None, Some((pack, ordinal))),
        Half::Waiting(record) => (Some(record), None),
    };
    sql.prepare_cached("INSERT INTO outbox (leaf, record, pack, ordinal) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![told.leaf, record, place.map(|place| place.0), place.map(|place| place.1)])?;
    // Numbers begin at 1, indices in the tree at 0.
    let journal = u64::try_from(sql.last_insert_rowid() - 1).unwrap_or(0);
    apply(sql, &told.occurrence, journal, told.place)?;
    Ok(journal)
}

const fn committed(event: &Event, journal: u64) -> Committed {
    match event {
        Event::Kept(kept) => Committed::Message(Recorded::new(kept.message.id, journal)),
        Event::Sighted(sighted) => Committed::Message(Recorded::new(sighted.message.id, journal)),
        _ => Committed::Other,
    }
}

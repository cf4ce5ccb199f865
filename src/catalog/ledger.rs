use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{OptionalExtension, Row, params};

use super::apply::account_number;
use super::commit::Recorded;
use super::messages::word;
use super::{Catalog, Error};
use crate::mail::event::{Listed, MessageRef, Sighting, Uidl};
use crate::mail::{AccountId, BlobId, Fate, Nonce, Timestamp, Verdict};

/// What is known of one line that an account once listed, as long as it was not seen to be gone.
#[derive(Clone, Debug)]
pub struct Known {
    pub listed: Listed,
    pub fate: Fate,
    pub fate_at: Timestamp,
    /// How often it could not be fetched.
    pub attempts: u32,
    /// What it is in the archive.
    pub archived: Option<Arc<Archived>>,
    /// When a DELE was last decided on.
    pub deleting: Option<Timestamp>,
}

/// What decides whether a message may be deleted at the server.
#[derive(Clone, Copy, Debug)]
pub struct Archived {
    pub message: MessageRef,
    pub place: (u64, u32),
    pub verdict: Verdict,
    pub is_indexed: bool,
    /// SHA-256 of the header block.
    pub header: BlobId,
    pub kept: Timestamp,
    /// Only the header block was compared when it was met here.
    pub by_header: bool,
    /// Its octets are destroyed here: nothing proves any more what the server has.
    pub is_destroyed: bool,
}

const KNOWN: &str = "SELECT uidl, sighting.ordinal, listed_bytes, fate, fate_ms, attempts, deleting_ms,
        message.id, message.nonce, message.pack, message.ordinal, message.verdict, message.indexed_ms,
        message.header, message.kept_ms, reason, message.purged_ms
    FROM sighting LEFT JOIN message ON message.number = sighting.message";

fn known(row: &Row<'_>) -> rusqlite::Result<Known> {
    let id: Option<[u8; 32]> = row.get(7)?;
    let archived = id.map(|id| {
        Ok::<_, rusqlite::Error>(Archived {
            message: MessageRef { id: BlobId::from_bytes(id), nonce: Nonce::from_bytes(row.get(8)?) },
            place: (row.get(9)?, row.get(10)?),
            verdict: word(row, 11)?,
            is_indexed: row.get::<_, Option<i64>>(12)?.is_some(),
            header: BlobId::from_bytes(row.get(13)?),
            kept: Timestamp::from_millis(row.get(14)?),
            by_header: row.get::<_, Option<String>>(15)?.is_some(),
            is_destroyed: row.get::<_, Option<i64>>(16)?.is_some(),
        })
    });
    Ok(Known {
        listed: Listed {
            uidl: Uidl::new(row.get::<_, Vec<u8>>(0)?),
            ordinal: row.get(1)?,
            listed_bytes: u64::try_from(row.get::<_, i64>(2)?).ok(),
        },
        fate: word(row, 3)?,
        fate_at: Timestamp::from_millis(row.get(4)?),
        attempts: row.get(5)?,
        archived: archived.transpose()?.map(Arc::new),
        deleting: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
    })
}

impl Catalog {
    /// All lines an account ever listed that were not seen to be gone, in the order of their first listing.
    pub fn known(&self, account: &AccountId) -> Result<Vec<Known>, Error> {
        let mut rows = Vec::new();
        self.each_known(account, |row| rows.push(row))?;
        Ok(rows)
    }

    /// Shows [`Catalog::known`] line by line, where all of them would be much.
    pub fn each_known(&self, account: &AccountId, mut each: impl FnMut(Known)) -> Result<(), Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "{KNOWN} WHERE sighting.account = ?1 AND gone_ms IS NULL ORDER BY sighting.number"
        ))?;
        let mut rows = statement.query_map(params![account_number(&connection, account)?], known)?;
        rows.try_for_each(|row| {
            each(row?);
            Ok(())
        })
    }

    /// Mail of this listed size that an account once listed, lists no more, and was not told to delete.
    pub fn absent(&self, account: &AccountId, listed_bytes: u64) -> Result<Vec<Known>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "{KNOWN} WHERE sighting.account = ?1 AND listed_bytes = ?2 AND gone_ms IS NOT NULL AND deleting_ms IS NULL
                 AND sighting.message IS NOT NULL ORDER BY sighting.number"
        ))?;
        let number = account_number(&connection, account)?;
        let rows = statement.query_map(params![number, super::apply::size_or_none(Some(listed_bytes))], known)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The listed sizes that [`Catalog::absent`] has something for.
    pub fn absent_sizes(&self, account: &AccountId) -> Result<HashSet<u64>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT DISTINCT listed_bytes FROM sighting WHERE account = ?1 AND gone_ms IS NOT NULL AND deleting_ms IS NULL
                 AND message IS NOT NULL",
        )?;
        let sizes = statement.query_map(params![account_number(&connection, account)?], |row| row.get::<_, i64>(0))?;
        Ok(sizes.filter_map(|size| size.map(|size| u64::try_from(size).ok()).transpose()).collect::<Result<_, _>>()?)
    }

    /// Whether this very message is on record for this line, its octets fetched from there.
    pub fn is_met(&self, sighting: &Sighting, id: &BlobId) -> Result<bool, Error> {
        let connection = self.connection();
        let Listed { uidl, ordinal, listed_bytes } = &sighting.listed;
        Ok(connection
            .prepare_cached(
                "SELECT 1 FROM sighting JOIN message ON message.number = sighting.message
                 WHERE account = ?1 AND uidl = ?2 AND sighting.ordinal = ?3 AND listed_bytes = ?4 AND message.id = ?5
                       AND gone_ms IS NULL AND reason IS NULL",
            )?
            .exists(params![
                account_number(&connection, &sighting.account)?,
                uidl.as_bytes(),
                ordinal,
                super::apply::size_or_none(*listed_bytes),
                id.as_bytes()
            ])?)
    }

    /// Proof, read anew, that this message was met at this place and that both are committed.
    pub fn recorded(&self, sighting: &Sighting, id: &BlobId) -> Result<Option<Recorded>, Error> {
        let connection = self.connection();
        let Listed { uidl, ordinal, listed_bytes } = &sighting.listed;
        let found: Option<u64> = connection
            .prepare_cached(
                "SELECT message.journal FROM sighting JOIN account ON account.number = sighting.account
                      JOIN message ON message.number = sighting.message
                 WHERE account.id = ?1 AND uidl = ?2 AND sighting.ordinal = ?3 AND listed_bytes = ?4 AND message.id = ?5
                       AND gone_ms IS NULL",
            )?
            .query_row(
                params![
                    sighting.account.as_bytes(),
                    uidl.as_bytes(),
                    ordinal,
                    super::apply::size_or_none(*listed_bytes),
                    id.as_bytes()
                ],
                |row| row.get(0),
            )
            .optional()?;
        Ok(found.map(|journal| Recorded::new(*id, journal)))
    }
}

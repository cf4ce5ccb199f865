use rusqlite::{OptionalExtension, params};

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
    pub archived: Option<Archived>,
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
}

impl Catalog {
    /// All lines an account ever listed that were not seen to be gone.
    pub fn known(&self, account: &AccountId) -> Result<Vec<Known>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT uidl, sighting.ordinal, listed_bytes, fate, fate_ms, attempts, deleting_ms,
                    message.id, message.nonce, message.pack, message.ordinal, message.verdict, message.indexed_ms
             FROM sighting JOIN account ON account.number = sighting.account
                  LEFT JOIN message ON message.number = sighting.message
             WHERE account.id = ?1 AND gone_ms IS NULL ORDER BY sighting.number",
        )?;
        let rows = statement.query_map(params![account.as_bytes()], |row| {
            let id: Option<[u8; 32]> = row.get(7)?;
            let archived = id.map(|id| {
                Ok::<_, rusqlite::Error>(Archived {
                    message: MessageRef { id: BlobId::from_bytes(id), nonce: Nonce::from_bytes(row.get(8)?) },
                    place: (row.get(9)?, row.get(10)?),
                    verdict: word(row, 11)?,
                    is_indexed: row.get::<_, Option<i64>>(12)?.is_some(),
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
                deleting: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
                archived: archived.transpose()?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
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

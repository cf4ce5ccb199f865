use schemars::JsonSchema;
use serde::Serialize;

use super::reading::ReadingShown;
use crate::archive::{Archive, Error, Message};
use crate::catalog::{Held, ItemState};
use crate::mail::{BlobId, BlobIdPrefix, ParseIdError, Timestamp};

/// Octets that were sealed off, in a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ItemShown {
    /// SHA-256 of the octets, in hex.
    #[schemars(with = "String")]
    pub hash: BlobId,
    /// What was found in them last.
    pub signature: String,
    pub state: ItemState,
    /// When something was found in them first: RFC 3339, UTC.
    pub since: String,
    /// When their state changed last.
    pub changed: String,
    pub size_bytes: u64,
    /// In how many messages they occur, as far as those were scanned.
    pub messages: u64,
    /// The newest of them.
    pub newest: Option<FoundIn>,
    /// Who wants them released, where a second person has yet to agree.
    pub asked: Option<AskedShown>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AskedShown {
    pub by: String,
    /// RFC 3339, UTC.
    pub at: String,
    pub reason: String,
}

/// A message that holds them.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FoundIn {
    #[schemars(with = "String")]
    pub id: BlobId,
    /// Where it was met.
    pub accounts: Vec<String>,
    pub from: Option<String>,
    pub subject: Option<String>,
    /// When it was sent, or kept if it does not say: RFC 3339, UTC.
    pub date: String,
    /// Its parts that consist of these octets, by the numbers `show --part` takes; none where it is the whole message.
    pub parts: Vec<u32>,
    /// What the sender called it.
    pub name: Option<String>,
    /// Since when the message's octets are destroyed.
    pub destroyed: Option<String>,
    /// Who read the message, or took something out of it.
    pub readings: Vec<ReadingShown>,
}

/// All that is known of one item.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ItemTold {
    #[serde(flatten)]
    pub item: ItemShown,
    /// Every release ever, the first one first.
    pub releases: Vec<ReleaseShown>,
    /// The messages that hold them, the newest first.
    pub found_in: Vec<FoundIn>,
}

/// A person's word on one finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReleaseShown {
    /// The finding that was let pass; should another signature match, the octets are sealed off again.
    pub signature: String,
    /// RFC 3339, UTC.
    pub at: String,
    pub reason: String,
    pub by: String,
    /// Who asked for it, where two persons were needed.
    pub asked_by: Option<String>,
}

impl Archive {
    /// What is sealed off, the latest first; with `all` also what was released or destroyed.
    pub fn quarantine(&self, all: bool) -> Result<Vec<ItemShown>, Error> {
        let held = self.catalog.quarantine()?.into_iter().filter(|held| all || held.state == ItemState::Sealed);
        held.map(|held| self.item(&held)).collect()
    }

    /// What a person calls by the beginning of its hash, or of the id of a message: then all that was found in it.
    pub fn quarantined(&self, id: &str) -> Result<Vec<ItemTold>, Error> {
        self.held(id)?.iter().map(|held| self.told(held)).collect()
    }

    pub(super) fn held(&self, id: &str) -> Result<Vec<Held>, Error> {
        let prefix: BlobIdPrefix = id.parse().map_err(|_: ParseIdError| Error::NotAnId(id.to_owned()))?;
        let (items, messages) = (self.catalog.held_with_prefix(&prefix)?, self.catalog.with_prefix(&prefix)?);
        let held = match (&items[..], &messages[..]) {
            ([_], []) => return Ok(items),
            ([], []) => return Err(Error::NoItem(id.to_owned())),
            ([], [message]) => self.catalog.held_in(message.number)?,
            ([item], [message]) if item.blob == message.message.id => self.catalog.held_in(message.number)?,
            _ => return Err(Error::AmbiguousItem(id.to_owned())),
        };
        if held.is_empty() { Err(Error::NothingFound(id.to_owned())) } else { Ok(held) }
    }

    fn item(&self, held: &Held) -> Result<ItemShown, Error> {
        let messages = self.catalog.occurrences(held.number)?;
        let newest = match messages.last() {
            Some(newest) => {
                self.catalog.numbered(&[*newest])?.first().map(|row| self.found_in(held, row)).transpose()?
            }
            None => None,
        };
        let asked = held.asked.clone().filter(|(_, at, _)| stands(held, *at));
        Ok(ItemShown {
            hash: held.blob,
            signature: held.signature.clone(),
            state: held.state,
            since: held.since.to_string(),
            changed: held.changed.to_string(),
            size_bytes: held.size_bytes,
            messages: messages.len() as u64,
            newest,
            asked: asked.map(|(by, at, reason)| AskedShown { by, at: at.to_string(), reason }),
        })
    }

    fn told(&self, held: &Held) -> Result<ItemTold, Error> {
        let mut rows = self.catalog.numbered(&self.catalog.occurrences(held.number)?)?;
        rows.reverse();
        let releases = self.catalog.releases(held.number)?.into_iter().map(|release| ReleaseShown {
            signature: release.signature,
            at: release.at.to_string(),
            reason: release.reason,
            by: release.by,
            asked_by: release.asked_by,
        });
        Ok(ItemTold {
            item: self.item(held)?,
            releases: releases.collect(),
            found_in: rows.iter().map(|row| self.found_in(held, row)).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn found_in(&self, held: &Held, row: &Message) -> Result<FoundIn, Error> {
        let mut accounts: Vec<String> = self.catalog.met_at(row.number)?.into_iter().map(|met| met.account).collect();
        accounts.sort();
        accounts.dedup();
        let parts = self.parts_of(held, row)?;
        let named = row.summary.attachments.iter().find(|attachment| parts.contains(&attachment.part));
        Ok(FoundIn {
            id: row.message.id,
            accounts,
            from: row.summary.from.clone(),
            subject: row.summary.subject.clone(),
            date: row.summary.date.unwrap_or(row.kept).to_string(),
            name: named.and_then(|attachment| attachment.name.clone()),
            parts,
            destroyed: row.purged.map(|at| at.to_string()),
            readings: self.readings(row)?,
        })
    }

    /// By what was scanned: views called `part N`, and nothing behind it.
    pub(super) fn parts_of(&self, held: &Held, row: &Message) -> Result<Vec<u32>, Error> {
        let verdicts = self.catalog.verdicts(row.number)?;
        let numbers = verdicts.iter().filter(|view| view.blob == held.blob);
        Ok(numbers.filter_map(|view| view.view.strip_prefix("part ")?.parse().ok()).collect())
    }
}

/// Whether a person asked for the release of what is found in it now: what was found later, they did not know.
pub(super) fn stands(held: &Held, asked: Timestamp) -> bool {
    asked >= held.changed
}

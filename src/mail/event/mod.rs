//! What happened to the archive, in the words of the journal. One [`Event`] is told three times: as a private
//! record in a pack, as a leaf without personal content in the journal, and as facts in the catalog. The catalog is
//! rebuilt from the records by the very function that wrote it.

mod quarantine;
mod said;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use quarantine::{Decision, Item, Purged, Quarantined, Reading, Rescanned};
pub use said::{ForgottenSearch, Noted, SavedSearch, Tagging};

use super::{AccountId, BlobId, Fate, Nonce, Timestamp, Verdict, ViewVerdict};

/// Something of record, and when it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    pub at: Timestamp,
    pub event: Event,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The archive was made. The first event of all.
    Created {
        archive: String,
        version: String,
    },
    /// A process took ownership of the archive.
    Started {
        version: String,
    },
    /// The owner gave it up in good order.
    Stopped {
        version: String,
    },
    AccountAdded(AccountAdded),
    /// It is not polled until it is resumed.
    AccountPaused {
        account: AccountId,
    },
    AccountResumed {
        account: AccountId,
    },
    AccountRenamed {
        account: AccountId,
        name: String,
    },
    /// It was taken out of the configuration. Mail and ledger stay.
    AccountRemoved {
        account: AccountId,
    },
    /// From now on it collects the mail of many, or no longer does: who a message was for is read from its octets.
    AccountMultidrop {
        account: AccountId,
        multidrop: bool,
    },
    Kept(Kept),
    Sighted(Sighted),
    Session(Session),
    Scanned(Scanned),
    Quarantined(Quarantined),
    /// A first person wants it let out; a second has to agree.
    ReleaseAsked(Decision),
    /// Ordinary readers get it again.
    Released(Decision),
    Purged(Purged),
    Viewed(Reading),
    Exported(Reading),
    Rescanned(Rescanned),
    Tagged(Tagging),
    Untagged(Tagging),
    Noted(Noted),
    SearchSaved(SavedSearch),
    SearchForgotten(ForgottenSearch),
    /// A DELE is about to be sent. Whether it took effect, a later [`Session`] says.
    Deleting(Deleting),
    Verified(Verified),
    /// A rebuild of the catalog was rehearsed.
    Drilled(Drilled),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountAdded {
    pub account: AccountId,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
}

/// A message by its id, with the nonce that every commitment to it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRef {
    pub id: BlobId,
    pub nonce: Nonce,
}

/// A message that the archive did not hold yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub message: MessageRef,
    pub size_bytes: u64,
    /// SHA-256 of the header block: everything up to and including the first blank line.
    pub header: BlobId,
    pub sighting: Sighting,
}

/// A message that the archive holds already, met again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighted {
    pub message: MessageRef,
    pub sighting: Sighting,
    /// It was told by its size and header block alone, under another unique-id than before, and not fetched again.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub by_header: bool,
}

/// Where a message was met.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sighting {
    pub account: AccountId,
    #[serde(flatten)]
    pub listed: Listed,
}

/// One line of a server's listing, or one place in an imported file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listed {
    /// The unique-id (RFC 1939 section 7), or `file:` and the path of an imported file.
    pub uidl: Uidl,
    /// Counts equal unique-ids within one listing, from 0; in an mbox file, the message's place.
    pub ordinal: u32,
    /// The size the server claimed: a hint that tells apart two messages under one unique-id, nothing more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub listed_bytes: Option<u64>,
}

/// A unique-id as the server gave it: opaque octets. Prints octets outside printable ASCII, and `%`, as `%XX`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uidl(Vec<u8>);

impl Uidl {
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn unescape(text: &str) -> Option<Self> {
        let mut octets = Vec::with_capacity(text.len());
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            octets.push(match byte {
                b'%' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                byte => byte,
            });
        }
        Some(Self(octets))
    }
}

impl fmt::Display for Uidl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0 {
            match byte {
                b'%' | 0..=0x1F | 0x7F.. => write!(f, "%{byte:02X}")?,
                printable => write!(f, "{}", char::from(*printable))?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Uidl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uidl({self})")
    }
}

impl Serialize for Uidl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uidl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::unescape(&text).ok_or_else(|| serde::de::Error::custom("a % without two hex digits in a unique-id"))
    }
}

/// One poll of one account, with its completeness record: `listed` is the sum of `known` and all fates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub account: AccountId,
    pub started: Timestamp,
    pub counts: SessionCounts,
    /// Listed messages that are not in the archive, and why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub missed: Vec<Missed>,
    /// Deletions that this listing showed done.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub gone: Vec<Listed>,
    /// Messages in the archive that the server lists no more, though nobody here deleted them. Should their unique-ids
    /// come again, they may mean other messages.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub absent: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionCounts {
    /// Messages in the server's listing.
    pub listed: u64,
    /// In the archive before this session.
    pub known: u64,
    pub kept: u64,
    /// New in the listing, but the archive holds their octets already.
    pub duplicates: u64,
    /// Larger than `max_message_bytes`; they stay on the server.
    pub oversize: u64,
    /// The server would not hand them out.
    pub failed: u64,
    /// Not fetched yet: the session ended before, or they wait after a failure.
    pub deferred: u64,
    /// Listed before, never fetched, and not listed any more.
    pub vanished: u64,
    /// DELE sent, and the QUIT behind it answered +OK.
    pub deleted: u64,
    /// Octets of messages received.
    pub bytes: u64,
}

impl SessionCounts {
    /// Listed and not in the archive before.
    pub const fn new_messages(&self) -> u64 {
        self.kept + self.duplicates + self.oversize + self.failed + self.deferred
    }

    /// The counts of a poll that went on with another session. What a session left for the next is no longer deferred;
    /// what failed in one waits for longer than the poll lasts, and the next counts it as deferred.
    #[must_use]
    pub const fn and_then(self, next: &Self) -> Self {
        if next.listed == 0 && self.listed > 0 {
            return Self { deleted: self.deleted + next.deleted, ..self };
        }
        let mut both = Self {
            listed: 0,
            known: if self.listed == 0 { next.known } else { self.known },
            kept: self.kept + next.kept,
            duplicates: self.duplicates + next.duplicates,
            oversize: next.oversize,
            failed: self.failed + next.failed,
            deferred: next.deferred.saturating_sub(self.failed),
            vanished: self.vanished + next.vanished,
            deleted: self.deleted + next.deleted,
            bytes: self.bytes + next.bytes,
        };
        both.listed = both.known + both.new_messages();
        both
    }

    /// Whether nothing came in, and nothing went.
    pub const fn moved_nothing(&self) -> bool {
        self.kept + self.duplicates + self.deleted == 0
    }

    /// Whether every listed message has a fate.
    pub const fn add_up(&self) -> bool {
        self.listed == self.known + self.new_messages()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    #[serde(flatten)]
    pub listed: Listed,
    pub fate: Fate,
    pub reason: String,
}

/// The scanner's word on a message: one view after another, and the worst of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanned {
    pub message: MessageRef,
    pub verdict: Verdict,
    pub views: Vec<ViewVerdict>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleting {
    pub message: MessageRef,
    pub sighting: Sighting,
    /// The account's policy, in words.
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// What was looked at: `all`, `quick` (no octets of packs), `books` (catalog, journal and index) or `pack N`.
    #[serde(default = "everything")]
    pub scope: String,
    pub messages: u64,
    pub packs: u64,
    pub bytes: u64,
    /// What was found damaged, as `verify` names it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub damage: Vec<String>,
}

fn everything() -> String {
    "all".to_owned()
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drilled {
    /// Journal entries that became facts again.
    pub entries: u64,
    /// How the catalog differs from what packs and journal say.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub differences: Vec<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_unique_id_of_any_octets_reads_back(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            let uidl = Uidl::new(octets);
            let json = serde_json::to_string(&uidl).unwrap();
            prop_assert_eq!(serde_json::from_str::<Uidl>(&json).unwrap(), uidl);
        }
    }
}

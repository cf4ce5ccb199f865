use std::path::PathBuf;

use crate::mail::{BlobId, Timestamp, Verdict};
use crate::{catalog, index, journal, store};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no archive in {}; `poplar fetch` or `poplar import` makes one", .0.display())]
    NoArchive(PathBuf),
    #[error("\"{0}\" is not an id; an id is the SHA-256 in hex, or its first 8 digits or more")]
    NotAnId(String),
    #[error("no message has an id that begins with {0}")]
    NoMessage(String),
    #[error("more than one message has an id that begins with {0}; give more digits")]
    Ambiguous(String),
    #[error("no account {0:?} ever gave mail to this archive; `poplar status` names those that did")]
    NoAccount(String),
    #[error("message {id} has no part {part}; it has {parts}")]
    NoPart { id: String, part: u32, parts: usize },
    #[error(
        "part {part} of message {id} is withheld: {}{}. With --quarantined it is handed out all the same",
        why(*.verdict),
        .detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default()
    )]
    Withheld { id: String, part: u32, verdict: Verdict, detail: Option<String> },
    #[error("message {id} was destroyed {at} by {by}: {reason}")]
    Destroyed { id: String, at: Timestamp, by: String, reason: String },
    #[error("{0}. What is withheld is handed out only when that is on record first")]
    NotOnRecord(Box<Self>),
    #[error("nothing that is sealed off, and no message, begins with {0}; `poplar quarantine list --all` names them")]
    NoItem(String),
    #[error("more than one item or message begins with {0}; give more digits")]
    AmbiguousItem(String),
    #[error("nothing was ever sealed off in message {0}")]
    NothingFound(String),
    #[error("every message that held {0} is destroyed; there is nothing left to hand out")]
    ItemDestroyed(String),
    #[error(
        "{0} is no part of its own; `poplar quarantine show {0}` names the messages it was found in, and \
         `poplar show ID --raw --quarantined` hands out such a message as a whole"
    )]
    NoPartOfItsOwn(String),
    #[error("{} is there already; give another name", .0.display())]
    FileExists(PathBuf),
    #[error("cannot write {}: {}", .0.display(), .1)]
    Unwritable(PathBuf, std::io::Error),
    #[error("no search is saved as {0:?}; `poplar saved list` names those that are")]
    NoSavedSearch(String),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Journal(#[from] journal::Error),
    #[error("the journal has no signed checkpoint yet; `poplar run` or `poplar fetch` signs within a second")]
    NothingSigned,
    #[error("no checkpoint covers journal entry {0} yet; it is signed within a second while poplar runs")]
    NotSignedYet(u64),
    #[error("record {ordinal} of pack {pack} is not message {id}: this pack does not belong here; see `poplar verify`")]
    OtherRecord { id: BlobId, pack: u64, ordinal: u32 },
    #[error("cannot read {}: {}", .0.display(), .1)]
    Unreadable(PathBuf, std::io::Error),
    #[error("the proof is about message {proven}, and this file is {given}")]
    OtherMessage { proven: String, given: BlobId },
    #[error(transparent)]
    Index(#[from] index::Error),
}

impl Error {
    /// Whether the same call may succeed later: the disk was full, or another process was writing. A pack that cannot
    /// be read is nothing that time mends.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Catalog(error) => error.is_transient(),
            Self::Index(error) => error.is_transient(),
            Self::NotOnRecord(error) => error.is_transient(),
            _ => false,
        }
    }
}

const fn why(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "it is clean",
        Verdict::Pending => "it was not scanned yet",
        Verdict::Error => "the scanner failed on it",
        Verdict::Partial => "not all of it could be scanned",
        Verdict::Encrypted => "it is encrypted, so nobody could look into it",
        Verdict::Suspicious => "it is suspicious",
        Verdict::Infected => "it is infected",
    }
}

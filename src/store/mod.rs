//! BYTES: append-only packs of content-addressed blobs and private records (`schemas/store.md`).
//! Knows nothing about what the blobs mean, the catalog or the journal, and does not log.

mod blob;
mod error;
mod format;
mod frames;
mod incoming;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use blob::{Blob, Pieces};
pub use error::Error;
pub use format::RecordKind;
pub use incoming::{Incoming, Received, sweep_spool};
pub use reader::{Reader, WalkedRecord};
pub use writer::{Append, Durable, Writer};

use crate::mail::BlobId;

/// Where a record lies: the number of its pack and its place among the pack's records, from 0. Offsets are nobody's
/// business outside the store, so that sealing may move things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    pub pack: u64,
    pub ordinal: u32,
}

/// How far a pack is committed: everything before `bytes` counts, whatever lies behind it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub pack: u64,
    pub bytes: u64,
    pub records: u32,
}

/// A record as it lies in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    pub kind: RecordKind,
    pub id: BlobId,
    pub size_bytes: u64,
    pub location: Location,
}

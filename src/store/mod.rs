//! BYTES: append-only packs of content-addressed blobs and private records (`schemas/store.md`).
//! Knows nothing about what the blobs mean, the catalog or the journal, and does not log.

mod blob;
mod blocks;
mod damage;
mod error;
mod folder;
mod format;
mod frames;
mod incoming;
mod packs;
mod reader;
mod recent;
mod recipe;
mod runs;
mod seal;
mod sealed;
mod stretch;
mod table;
#[cfg(test)]
mod tests;
mod walk;
mod writer;

pub use blob::{Blob, Pieces};
pub use error::Error;
pub use folder::{
    PackFiles, archive_of, check_sealed, open_path, packs, read_sealed, readable_sealed, remove_open, sealed_path,
    whole_extent,
};
pub use format::RecordKind;
pub use incoming::{Incoming, Received, sweep_spool};
pub use reader::{Reader, WalkedRecord};
pub use seal::{Sealing, seal};
pub use sealed::Sealed;
pub use writer::{Append, Durable, Writer};

use crate::mail::BlobId;

/// Where a record lies: the number of its pack and its place among the pack's records, from 0. Offsets are nobody's
/// business outside the store, so that sealing may move octets; a location stays what it is.
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

/// What there is of a pack to walk over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    Open(Extent),
    /// The number of a sealed pack.
    Sealed(u64),
}

impl Packed {
    pub const fn number(&self) -> u64 {
        match self {
            Self::Open(extent) => extent.pack,
            Self::Sealed(number) => *number,
        }
    }
}

impl From<&Extent> for Packed {
    fn from(extent: &Extent) -> Self {
        Self::Open(*extent)
    }
}

impl From<&Self> for Packed {
    fn from(packed: &Self) -> Self {
        *packed
    }
}

/// A record as it lies in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    pub kind: RecordKind,
    pub id: BlobId,
    pub size_bytes: u64,
    pub location: Location,
}

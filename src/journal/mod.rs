//! PROOF: what happened, so that it can be shown (`schemas/journal.md`): the two halves of every event of record, the Merkle
//! log of the leaves with its signed checkpoints, and proofs out of it.
//! Knows nothing about packs, SQL or who did it, and puts nothing personal into a leaf.

mod checkpoint;
mod copy;
mod edge;
mod entry;
mod error;
mod hash;
mod key;
mod leaf;
mod log;
mod proof;
mod reader;
mod sweep;
mod tile;
mod tree;
mod verify;
mod write;

pub use checkpoint::{Checkpoint, PackMark};
pub use entry::{Entry, read_record};
pub use error::Error;
pub use hash::Hash;
pub use key::{Signer, VerifierKey};
pub use leaf::{Commitment, LEAF_LIMIT_BYTES, leaf, told_by_leaf};
pub use log::Log;
pub use proof::{Proof, Proven};
pub use reader::LogReader;
pub use sweep::sweep;

use crate::mail::AccountId;

/// The name of an archive's log and of its key.
pub fn origin(archive: &AccountId) -> String {
    format!("poplar/{archive}")
}

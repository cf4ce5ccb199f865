//! PROOF: the two halves of every event of record, as octets (`schemas/journal.md`): the leaf that goes into the
//! Merkle log, and the private record that the leaf commits to.
//! Knows nothing about packs, SQL or who did it, and puts nothing personal into a leaf.

mod entry;
mod leaf;

pub use entry::{Entry, Error, read_record};
pub use leaf::{Commitment, LEAF_LIMIT_BYTES};

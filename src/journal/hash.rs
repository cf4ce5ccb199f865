use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use ring::digest::{Context, SHA256};

pub(super) const HASH_BYTES: usize = 32;

/// A hash of the tree, RFC 6962 section 2.1 with SHA-256. Prints as base64, as checkpoints and proofs have it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    pub const fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// Of the tree without leaves: the hash of no octets.
    pub(super) fn empty() -> Self {
        Self::over(&[])
    }

    pub fn leaf(leaf: &[u8]) -> Self {
        Self::over(&[&[0], leaf])
    }

    pub(super) fn node(left: Self, right: Self) -> Self {
        Self::over(&[&[1], &left.0, &right.0])
    }

    /// The top of a complete subtree with these hashes at its bottom; their count must be a power of two.
    pub(super) fn top(hashes: &[Self]) -> Self {
        debug_assert!(hashes.len().is_power_of_two());
        match hashes {
            [only] => *only,
            _ => {
                let (left, right) = hashes.split_at(hashes.len() / 2);
                Self::node(Self::top(left), Self::top(right))
            }
        }
    }

    fn over(pieces: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for piece in pieces {
            context.update(piece);
        }
        let mut bytes = [0; HASH_BYTES];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl From<Hash> for tlog_tiles::Hash {
    fn from(hash: Hash) -> Self {
        Self(hash.0)
    }
}

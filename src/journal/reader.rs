use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::checkpoint::CHECKPOINT;
use super::key::VerifierKey;
use super::tile::{TILE, TILE_WIDTH};
use super::tree::Tree;
use super::{Checkpoint, Error, Hash};

/// For everybody: beside the owner, or over a copy. Shows the tree of the checkpoint that was there when it was opened.
#[derive(Debug)]
pub struct LogReader {
    pub(super) journal: PathBuf,
    key: VerifierKey,
    pub(super) checkpoint: Checkpoint,
    tree: OnceLock<Tree>,
}

impl LogReader {
    /// Opens the log in the folder `journal`; `None` where nothing was signed yet.
    ///
    /// # Errors
    ///
    /// [`Error::Signature`] where the checkpoint is not signed by the `key` beside it, [`Error::NotAPrefix`] where there are tiles
    /// without a checkpoint. Whether that key is the right one, only its owner can say.
    pub fn open(journal: &Path) -> Result<Option<Self>, Error> {
        if !journal.join(CHECKPOINT).exists() {
            let problem = || format!("{CHECKPOINT} is not there, though it was before the first tile");
            let tiles = journal.join(TILE).exists();
            return if tiles {
                Err(Error::NotAPrefix { path: journal.to_owned(), problem: problem() })
            } else {
                Ok(None)
            };
        }
        let key = VerifierKey::read(journal)?;
        let checkpoint = Checkpoint::read(journal, &key)?;
        Ok(checkpoint.map(|checkpoint| Self::with(journal, key, checkpoint)))
    }

    /// The log as an earlier checkpoint has it: `note` is that one, signed by the key in the folder. Also where no file
    /// has it any more, and while the owner writes.
    pub fn at(journal: &Path, note: &str) -> Result<Self, Error> {
        let key = VerifierKey::read(journal)?;
        let checkpoint = Checkpoint::parse(note.as_bytes(), &key)?;
        Ok(Self::with(journal, key, checkpoint))
    }

    pub(super) fn with(journal: &Path, key: VerifierKey, checkpoint: Checkpoint) -> Self {
        Self { journal: journal.to_owned(), key, checkpoint, tree: OnceLock::new() }
    }

    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The key that stands beside the checkpoint.
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The leaf with this index, followed up to the signed root.
    pub fn leaf(&self, index: u64) -> Result<Vec<u8>, Error> {
        self.tree()?.leaf(index)
    }

    /// Shows `visit` the index and octets of every leaf from `from` on, each followed up to the signed root.
    pub fn leaves<E: From<Error>>(
        &self,
        from: u64,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let width = TILE_WIDTH as u64;
        let tree = self.tree()?;
        for number in from / width..self.checkpoint.size().div_ceil(width) {
            for (index, leaf) in (number * width..).zip(tree.bundle(number)?) {
                if index >= from {
                    visit(index, &leaf)?;
                }
            }
        }
        Ok(())
    }

    /// How many bundles hold the leaves.
    pub fn bundles(&self) -> u64 {
        self.checkpoint.size().div_ceil(TILE_WIDTH as u64)
    }

    /// Whether a bundle holds as many leaves as one can: all do, but for the last.
    pub fn is_full(&self, bundle: u64) -> bool {
        bundle < self.checkpoint.size() / TILE_WIDTH as u64
    }

    /// The leaves of a bundle, each followed up to the signed root, and the index of the first. One damaged tile under the
    /// right edge is not in the way.
    pub fn bundle(&self, number: u64) -> Result<(u64, Vec<Vec<u8>>), Error> {
        Ok((number * TILE_WIDTH as u64, self.tree()?.bundle_below(number)?))
    }

    /// What the leaves of a bundle must hash to, whether it can be read or not; and the index of the first.
    pub fn leaf_hashes(&self, number: u64) -> Result<(u64, Vec<Hash>), Error> {
        Ok((number * TILE_WIDTH as u64, self.tree()?.tile(0, number)?.to_vec()))
    }

    /// Whether the log goes on from an `earlier` checkpoint: it has at least as many leaves, and the first of them are the
    /// ones which that one signed. A checkpoint kept elsewhere shows so that history was not written anew.
    pub fn continues(&self, earlier: &Checkpoint) -> Result<bool, Error> {
        if earlier.size() > self.checkpoint.size() {
            return Ok(false);
        }
        Ok(self.tree()?.root_at(earlier.size())? == earlier.root())
    }

    pub(super) fn tree(&self) -> Result<&Tree, Error> {
        if let Some(tree) = self.tree.get() {
            return Ok(tree);
        }
        let tree = Tree::open(&self.journal, &self.checkpoint)?;
        Ok(self.tree.get_or_init(|| tree))
    }
}

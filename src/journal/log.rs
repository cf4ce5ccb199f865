use std::path::{Path, PathBuf};

use crate::files::{self, Mutant};

use super::checkpoint::CHECKPOINT;
use super::edge::Edge;
use super::sweep::{remove, sweep};
use super::tile::{Kind, TILE, TILE_WIDTH, Tile, push_entry};
use super::tree::Tree;
use super::write::Batch;
use super::{Checkpoint, Error, Hash, PackMark, Signer};

/// The owner's hand on the log. Only one at a time may have it; the archive's lock sees to that.
#[derive(Debug)]
pub struct Log {
    journal: PathBuf,
    signer: Signer,
    checkpoint: Option<Checkpoint>,
    tree: Tree,
    /// The entries that no full bundle holds yet, as the partial bundle has them.
    bundle: Vec<u8>,
    swept: bool,
}

impl Log {
    /// Opens the log in the folder `journal`, empty where there is no checkpoint yet. Changes nothing: the
    /// caller can still compare [`Log::size`] with what it knows, and leave alone what somebody put back.
    ///
    /// # Errors
    ///
    /// [`Error::Signature`] where the checkpoint is not signed by `signer`, [`Error::NotAPrefix`] where the tiles do not give the
    /// signed root, or the checkpoint is gone. Nothing was changed then, and nothing may be appended.
    pub fn open(journal: &Path, signer: Signer) -> Result<Self, Error> {
        files::create_private_dir(journal).map_err(Error::io("use the folder", journal))?;
        let checkpoint = Checkpoint::read(journal, signer.key())?;
        let tree = match &checkpoint {
            Some(checkpoint) => Tree::open(journal, checkpoint)?,
            None if journal.join(TILE).exists() => {
                let problem = format!("{CHECKPOINT} is not there, though it was before the first tile");
                return Err(Error::NotAPrefix { path: journal.to_owned(), problem });
            }
            None => Tree::new(journal, Edge::default()),
        };
        let bundle = partial_bundle(&tree)?;
        Ok(Self { journal: journal.to_owned(), signer, checkpoint, tree, bundle, swept: false })
    }

    /// Leaves under the checkpoint; the next one gets this index.
    pub const fn size(&self) -> u64 {
        self.tree.edge().size()
    }

    pub const fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// Adds `leaves` in their order, and signs the tree with the marks of the open packs. When it returns, the leaves are
    /// on disk under a checkpoint that is. Without leaves it signs the marks alone, if they are new. The first call sweeps out
    /// what a crash left.
    ///
    /// # Errors
    ///
    /// The log is as it was, and so is the checkpoint, or the new one is already there: append the same leaves again.
    pub fn append(&mut self, leaves: &[Vec<u8>], packs: &[PackMark]) -> Result<&Checkpoint, Error> {
        if !self.swept {
            sweep(&self.journal, self.size())?;
            self.swept = true;
        }
        if self.checkpoint.is_none() {
            // Tiles without any checkpoint then always mean that somebody took it away.
            self.publish(&self.tree.edge().clone(), packs)?;
        }
        let mut edge = self.tree.edge().clone();
        let mut bundle = self.bundle.clone();
        let mut batch = Batch::new(&self.journal);
        for leaf in leaves {
            push_entry(&mut bundle, leaf)?;
            edge.push(Hash::leaf(leaf), |tile, hashes| batch.hashes(tile, hashes))?;
            if edge.size().is_multiple_of(TILE_WIDTH as u64) {
                let number = edge.size() / TILE_WIDTH as u64 - 1;
                batch.write(Tile { kind: Kind::Entries, number, width: TILE_WIDTH }, &bundle)?;
                bundle.clear();
            }
        }
        let outdated = self.write_partials(&edge, &bundle, &mut batch)?;
        if files::mutant(Mutant::CheckpointBeforeTiles) {
            self.publish(&edge, packs)?;
        }
        batch.sync()?;
        let checkpoint = self.publish(&edge, packs)?;
        self.tree = Tree::new(&self.journal, edge);
        self.bundle = bundle;
        outdated.iter().for_each(|tile| remove(&self.journal, *tile));
        Ok(self.checkpoint.insert(checkpoint))
    }

    /// The leaf with this index, which is the one of the tree.
    pub fn leaf(&self, index: u64) -> Result<Vec<u8>, Error> {
        self.tree.leaf(index)
    }

    /// Writes the partial files that are new; gives those that nobody needs once the next checkpoint is out.
    fn write_partials(&self, edge: &Edge, bundle: &[u8], batch: &mut Batch<'_>) -> Result<Vec<Tile>, Error> {
        let before = partials(self.size());
        let after = partials(edge.size());
        for tile in after.iter().filter(|tile| !before.contains(tile)) {
            match tile.kind {
                Kind::Entries => batch.write(*tile, bundle)?,
                Kind::Hashes(level) => batch.hashes(*tile, edge.level(level))?,
            }
        }
        Ok(before.into_iter().filter(|tile| !after.contains(tile)).collect())
    }

    fn publish(&self, edge: &Edge, packs: &[PackMark]) -> Result<Checkpoint, Error> {
        let checkpoint = Checkpoint::sign(&self.signer, edge.size(), edge.root(), packs)?;
        if self.checkpoint.as_ref() != Some(&checkpoint) {
            let path = self.journal.join(CHECKPOINT);
            files::publish(&path, checkpoint.text().as_bytes()).map_err(Error::io("write", &path))?;
        }
        Ok(checkpoint)
    }
}

/// The partial files of a tree of `size` leaves.
pub(super) fn partials(size: u64) -> Vec<Tile> {
    let bundle = Tile::of(Kind::Entries, size / TILE_WIDTH as u64, size);
    Edge::tiles_of(size).into_iter().flatten().chain(bundle).collect()
}

fn partial_bundle(tree: &Tree) -> Result<Vec<u8>, Error> {
    let size = tree.edge().size();
    let mut bundle = Vec::new();
    if !size.is_multiple_of(TILE_WIDTH as u64) {
        for entry in tree.bundle(size / TILE_WIDTH as u64)? {
            push_entry(&mut bundle, &entry)?;
        }
    }
    Ok(bundle)
}

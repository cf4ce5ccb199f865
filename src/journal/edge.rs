use std::path::Path;

use super::tile::{Kind, TILE_WIDTH, Tile};
use super::{Error, Hash};

/// The right edge of the tree: of every level the hashes that no full tile holds yet, level 0 first. All that is needed to go
/// on, and to tell the root.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// Reads the edge of a tree of `size` leaves: one file a level. Nothing is checked.
    pub(super) fn read(journal: &Path, size: u64) -> Result<Self, Error> {
        Self::with(size, |tile| tile.hashes(journal))
    }

    /// The edge of a tree of `size` leaves from the hashes that `hashes` gives for its last tile of each level.
    pub(super) fn with(size: u64, hashes: impl Fn(Tile) -> Result<Vec<Hash>, Error>) -> Result<Self, Error> {
        let tiles = Self::tiles_of(size);
        let levels = tiles.into_iter().map(|tile| tile.map_or_else(|| Ok(Vec::new()), &hashes));
        Ok(Self { size, levels: levels.collect::<Result<_, _>>()? })
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The partial tile of each level; `None` where the level ends with a full one.
    pub(super) fn tiles_of(size: u64) -> Vec<Option<Tile>> {
        let levels = (0..8).take_while(|level| size >> (8 * level) > 0);
        let last = |level| Tile::of(Kind::Hashes(level), size >> (8 * level) >> 8, size);
        levels.map(last).collect()
    }

    pub(super) fn level(&self, level: u32) -> &[Hash] {
        self.levels.get(level as usize).map_or(&[], Vec::as_slice)
    }

    /// The same edge with other hashes on one level.
    pub(super) fn with_level(&self, level: u32, hashes: &[Hash]) -> Self {
        let mut other = self.clone();
        if let Some(known) = other.levels.get_mut(level as usize) {
            hashes.clone_into(known);
        }
        other
    }

    /// Adds a leaf's hash; hands out each tile that it fills.
    pub(super) fn push(
        &mut self,
        leaf: Hash,
        mut full: impl FnMut(Tile, &[Hash]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.size += 1;
        let mut hash = leaf;
        for level in 0.. {
            let at = level as usize;
            if at == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[at];
            hashes.push(hash);
            if hashes.len() < TILE_WIDTH {
                break;
            }
            let number = (self.size >> (8 * (level + 1))) - 1;
            full(Tile { kind: Kind::Hashes(level), number, width: TILE_WIDTH }, hashes)?;
            hash = Hash::top(hashes);
            hashes.clear();
        }
        Ok(())
    }

    /// RFC 6962 section 2.1: complete subtrees, the rightmost and smallest first, joined from the right.
    pub(super) fn root(&self) -> Hash {
        let mut root = None;
        for hashes in &self.levels {
            let mut rest = &hashes[..];
            while !rest.is_empty() {
                let size = 1 << rest.len().trailing_zeros();
                let (before, last) = rest.split_at(rest.len() - size);
                let left = Hash::top(last);
                root = Some(root.map_or(left, |right| Hash::node(left, right)));
                rest = before;
            }
        }
        root.unwrap_or_else(Hash::empty)
    }
}

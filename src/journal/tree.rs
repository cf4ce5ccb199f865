use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::edge::Edge;
use super::tile::{Kind, TILE_WIDTH, Tile};
use super::{Checkpoint, Error, Hash};

/// Number and hashes of a tile.
type Read = (u64, Arc<[Hash]>);

/// The tree that a checkpoint signs, read from its tiles. Every hash it hands out was followed up to the signed root.
#[derive(Debug)]
pub(super) struct Tree {
    journal: PathBuf,
    edge: Edge,
    /// The full tile last read of each level: whoever goes from leaf to leaf reads each tile once.
    read: Mutex<Vec<Option<Read>>>,
}

impl Tree {
    /// Reads the right edge, which must give the signed root.
    pub(super) fn open(journal: &Path, checkpoint: &Checkpoint) -> Result<Self, Error> {
        let refused = |problem| Error::NotAPrefix { path: journal.to_owned(), problem };
        let edge = Edge::read(journal, checkpoint.size()).map_err(|error| match error {
            Error::Damaged { .. } => refused(error.to_string()),
            other => other,
        })?;
        if edge.root() != checkpoint.root() {
            return Err(refused("its tiles give another root".to_owned()));
        }
        Ok(Self::new(journal, edge))
    }

    pub(super) fn new(journal: &Path, edge: Edge) -> Self {
        Self { journal: journal.to_owned(), edge, read: Mutex::new(Vec::new()) }
    }

    pub(super) const fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The leaves of the bundle `number`, each the one of the tree.
    pub(super) fn bundle(&self, number: u64) -> Result<Vec<Vec<u8>>, Error> {
        let size = self.edge.size();
        let no_entry = || Error::NoEntry { index: number.saturating_mul(TILE_WIDTH as u64), size };
        let bundle = Tile::of(Kind::Entries, number, size).ok_or_else(no_entry)?;
        let hashes = self.tile(0, number)?;
        let entries = bundle.entries(&self.journal)?;
        for (at, (entry, hash)) in entries.iter().zip(hashes.iter()).enumerate() {
            if Hash::leaf(entry) != *hash {
                let index = number * TILE_WIDTH as u64 + at as u64;
                let path = self.journal.join(bundle.path());
                return Err(Error::damaged(&path, format!("entry {index} is not the one of the tree")));
            }
        }
        Ok(entries)
    }

    /// The same; of a full bundle also where its own tile is damaged: the tile above tells whether it is the one.
    pub(super) fn bundle_below(&self, number: u64) -> Result<Vec<Vec<u8>>, Error> {
        let damage = match self.bundle(number) {
            Err(damage @ Error::Damaged { .. }) => damage,
            read => return read,
        };
        let bundle = Tile { kind: Kind::Entries, number, width: TILE_WIDTH };
        let Ok(entries) = bundle.entries(&self.journal) else { return Err(damage) };
        let hashes: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry)).collect();
        let (above, at) = split(number);
        let is_the_one = self.tile(1, above).is_ok_and(|tile| tile.get(at) == Some(&Hash::top(&hashes)));
        if is_the_one { Ok(entries) } else { Err(damage) }
    }

    pub(super) fn leaf(&self, index: u64) -> Result<Vec<u8>, Error> {
        let size = self.edge.size();
        let no_entry = || Error::NoEntry { index, size };
        if index >= size {
            return Err(no_entry());
        }
        let (number, at) = split(index);
        self.bundle(number)?.into_iter().nth(at).ok_or_else(no_entry)
    }

    /// The audit path of RFC 6962 section 2.1.1: the leaf's sibling first.
    pub(super) fn path(&self, index: u64) -> Result<Vec<Hash>, Error> {
        let size = self.edge.size();
        if index >= size {
            return Err(Error::NoEntry { index, size });
        }
        let mut path = Vec::new();
        let (mut low, mut high) = (0, size);
        while high - low > 1 {
            let middle = low + half(high - low);
            if index < middle {
                path.push(self.subtree(middle, high)?);
                high = middle;
            } else {
                path.push(self.subtree(low, middle)?);
                low = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// The root as it was when the tree had `size` leaves, at most what it has now.
    pub(super) fn root_at(&self, size: u64) -> Result<Hash, Error> {
        if size == 0 { Ok(Hash::empty()) } else { self.subtree(0, size) }
    }

    /// The hash over the leaves from `low` to before `high`; `low` is a multiple of the power of two that reaches `high`.
    fn subtree(&self, low: u64, high: u64) -> Result<Hash, Error> {
        let count = high - low;
        if count.is_power_of_two() {
            return self.node(count.trailing_zeros(), low);
        }
        let middle = low + half(count);
        Ok(Hash::node(self.subtree(low, middle)?, self.subtree(middle, high)?))
    }

    /// The top of the complete subtree of 2^`height` leaves from `low` on.
    fn node(&self, height: u32, low: u64) -> Result<Hash, Error> {
        let (level, within) = (height / 8, height % 8);
        let (number, at) = split(low >> (8 * level));
        let hashes = self.tile(level, number)?;
        Ok(Hash::top(&hashes[at..at + (1 << within)]))
    }

    /// The hashes of a tile, followed up to the root.
    pub(super) fn tile(&self, level: u32, number: u64) -> Result<Arc<[Hash]>, Error> {
        let full = Tile { kind: Kind::Hashes(level), number, width: TILE_WIDTH };
        if Tile::of(full.kind, number, self.edge.size()) != Some(full) {
            return Ok(self.edge.level(level).into());
        }
        if let Some(known) = self.known(level, number) {
            return Ok(known);
        }
        let (above, at) = split(number);
        let expected = self.tile(level + 1, above)?[at];
        let hashes: Arc<[Hash]> = full.hashes(&self.journal)?.into();
        if Hash::top(&hashes) != expected {
            return Err(Error::damaged(&self.journal.join(full.path()), "it is not the one of the tree"));
        }
        self.remember(level, number, &hashes);
        Ok(hashes)
    }

    fn known(&self, level: u32, number: u64) -> Option<Arc<[Hash]>> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, hashes) = read.get(level as usize)?.as_ref()?;
        (*of == number).then(|| Arc::clone(hashes))
    }

    fn remember(&self, level: u32, number: u64, hashes: &Arc<[Hash]>) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let levels = read.len().max(level as usize + 1);
        read.resize(levels, None);
        read[level as usize] = Some((number, Arc::clone(hashes)));
    }
}

/// The largest power of two below `count`, which is at least 2.
const fn half(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// Tile and place in it of the node with this index on its level.
const fn split(index: u64) -> (u64, usize) {
    (index / TILE_WIDTH as u64, (index % TILE_WIDTH as u64) as usize)
}

use std::path::Path;

use super::checkpoint::CHECKPOINT;
use super::edge::Edge;
use super::reader::LogReader;
use super::tile::{Kind, TILE_WIDTH, Tile, push_entry};
use super::write::Batch;
use super::{Error, Hash};

impl LogReader {
    /// Writes the tree of this checkpoint, and nothing of a later one, into the folder `into`: tiles and bundles, durable;
    /// neither checkpoint nor key. Files that a checkpoint over the first `covered` leaves has are there already, and left
    /// alone.
    ///
    /// Gives the damages, as [`LogReader::verify`] does: files that could not be read are missing in the copy; and that the
    /// copy gives another root. Hashes below the right edge are not looked at.
    ///
    /// # Errors
    ///
    /// Where the disk gives no answer, or has no room.
    pub fn copy_into(&self, into: &Path, covered: u64) -> Result<Vec<(String, String)>, Error> {
        let mut damage = Vec::new();
        let mut batch = Batch::new(into);
        for tile in tiles(self.checkpoint.size()) {
            let known = Tile::of(tile.kind, tile.number, covered) == Some(tile);
            if known && into.join(tile.path()).exists() {
                continue;
            }
            match self.octets(tile) {
                Ok(octets) => batch.write(tile, &octets)?,
                Err(Error::Damaged { problem, .. }) => damage.push((tile.path().display().to_string(), problem)),
                Err(error) => return Err(error),
            }
        }
        batch.sync()?;
        let copy = Self::with(into, self.key().clone(), self.checkpoint.clone());
        if let Err(error) = copy.tree()
            && damage.is_empty()
        {
            damage.push((CHECKPOINT.to_owned(), error.to_string()));
        }
        Ok(damage)
    }

    /// What the file of a tile holds, also where a wider one took its place.
    fn octets(&self, tile: Tile) -> Result<Vec<u8>, Error> {
        let mut octets = Vec::new();
        match tile.kind {
            Kind::Entries => {
                tile.entries(&self.journal)?.iter().try_for_each(|entry| push_entry(&mut octets, entry))?
            }
            Kind::Hashes(_) => octets.extend(tile.hashes(&self.journal)?.iter().flat_map(Hash::as_bytes)),
        }
        Ok(octets)
    }
}

/// All files of a tree of `size` leaves, full and partial.
fn tiles(size: u64) -> impl Iterator<Item = Tile> {
    let levels = (0..).zip(Edge::tiles_of(size)).map(|(level, _)| Kind::Hashes(level));
    levels.chain([Kind::Entries]).flat_map(move |kind| {
        let nodes = match kind {
            Kind::Hashes(level) => size >> (8 * level),
            Kind::Entries => size,
        };
        (0..nodes.div_ceil(TILE_WIDTH as u64)).filter_map(move |number| Tile::of(kind, number, size))
    })
}

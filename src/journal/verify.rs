use super::checkpoint::CHECKPOINT;
use super::edge::Edge;
use super::reader::LogReader;
use super::tile::{Kind, TILE_WIDTH, Tile};
use super::{Error, Hash};

impl LogReader {
    /// Reads everything under the checkpoint: each entry is hashed and compared with its level 0 tile, each tile with the level
    /// above, the edge with the signed root. Calls `progress` with leaves done and leaves in all.
    ///
    /// Gives the damages: the file under the journal's folder, and what is wrong with it. That the checkpoint is signed,
    /// [`LogReader::open`] has seen to.
    ///
    /// # Errors
    ///
    /// Only where the disk gives no answer; what is missing or wrong is a damage.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<(String, String)>, Error> {
        let size = self.checkpoint.size();
        let edge = self.stored_edge()?;
        let mut check =
            Check { reader: self, trusted: edge.root() == self.checkpoint.root(), edge, progress, found: vec![] };
        for tile in Edge::tiles_of(size).into_iter().flatten() {
            check.tile(tile, None)?;
        }
        if check.found.is_empty() && !check.trusted {
            check.report(CHECKPOINT.to_owned(), "it signs another tree than the one in this folder".to_owned());
        }
        (check.progress)(size, size);
        Ok(check.found)
    }

    /// The right edge as its files have it; nothing where one cannot be read.
    fn stored_edge(&self) -> Result<Edge, Error> {
        Edge::with(self.checkpoint.size(), |tile| Ok(damage_aside(tile.hashes(&self.journal))?.unwrap_or_default()))
    }
}

struct Check<'a> {
    reader: &'a LogReader,
    edge: Edge,
    /// Whether the edge, as its files have it, gives the signed root.
    trusted: bool,
    progress: &'a mut dyn FnMut(u64, u64),
    found: Vec<(String, String)>,
}

impl Check<'_> {
    /// Checks a tile and all below it. `above` is the hash that the level above has for it; an edge tile has none, there the
    /// root decides. Gives the hash to expect above: where something was found here already, `above` itself, so that one
    /// damage is told once.
    fn tile(&mut self, tile: Tile, above: Option<Hash>) -> Result<Option<Hash>, Error> {
        let before = self.found.len();
        let stored = self.readable(tile, tile.hashes(&self.reader.journal))?;
        let below = self.below(tile, stored.as_deref())?;
        if let Some(stored) = &stored {
            let differs = (0..tile.width).filter(|at| below[*at].is_some_and(|hash| hash != stored[*at]));
            for at in differs.collect::<Vec<_>>() {
                self.judge(tile, at, stored, &below, above);
            }
        }
        let own = stored.filter(|_| tile.is_full()).map(|hashes| Hash::top(&hashes));
        Ok(if self.found.len() == before { own } else { above })
    }

    /// The hash of everything right below a tile, `None` where that cannot be read.
    fn below(&mut self, tile: Tile, stored: Option<&[Hash]>) -> Result<Vec<Option<Hash>>, Error> {
        let Kind::Hashes(level @ 1..) = tile.kind else { return self.entries(tile) };
        let first = tile.number * TILE_WIDTH as u64;
        let child = |at: usize| Tile { kind: Kind::Hashes(level - 1), number: first + at as u64, width: TILE_WIDTH };
        (0..tile.width).map(|at| self.tile(child(at), stored.map(|hashes| hashes[at]))).collect()
    }

    fn entries(&mut self, tile: Tile) -> Result<Vec<Option<Hash>>, Error> {
        let bundle = Tile { kind: Kind::Entries, ..tile };
        let entries = self.readable(bundle, bundle.entries(&self.reader.journal))?;
        let done = tile.number * TILE_WIDTH as u64 + tile.width as u64;
        (self.progress)(done, self.reader.checkpoint.size());
        Ok(match entries {
            Some(entries) => entries.iter().map(|entry| Some(Hash::leaf(entry))).collect(),
            None => vec![None; tile.width],
        })
    }

    /// Tile and what is below it do not agree at `at`. Whichever of them agrees with what is above is right.
    fn judge(&mut self, tile: Tile, at: usize, stored: &[Hash], below: &[Option<Hash>], above: Option<Hash>) {
        let index = tile.number * TILE_WIDTH as u64 + at as u64;
        let name = tile.path().display().to_string();
        let under = match tile.kind {
            Kind::Hashes(level @ 1..) => Tile { kind: Kind::Hashes(level - 1), number: index, width: TILE_WIDTH },
            _ => Tile { kind: Kind::Entries, ..tile },
        };
        let under_name = under.path().display().to_string();
        let below: Option<Vec<Hash>> = below.iter().copied().collect();
        if self.agrees(tile, stored, above) {
            let what = if under.kind == Kind::Entries { format!("entry {index}") } else { "it".to_owned() };
            self.report(under_name, format!("{what} does not hash to what {name} has"));
        } else if below.is_some_and(|below| self.agrees(tile, &below, above)) {
            self.report(name, format!("hash {at} is not the one of {under_name}"));
        } else {
            self.report(
                name,
                format!("hash {at} and {under_name} do not agree, and more is damaged than can be told apart"),
            );
        }
    }

    fn agrees(&self, tile: Tile, hashes: &[Hash], above: Option<Hash>) -> bool {
        match (tile.kind, above) {
            (Kind::Hashes(level), _) if !tile.is_full() => {
                self.edge.with_level(level, hashes).root() == self.reader.checkpoint.root()
            }
            (_, Some(above)) => Hash::top(hashes) == above,
            (_, None) => false,
        }
    }

    /// Reports what cannot be read as damage, and goes on without it.
    fn readable<T>(&mut self, tile: Tile, read: Result<T, Error>) -> Result<Option<T>, Error> {
        if let Err(Error::Damaged { problem, .. }) = &read {
            self.report(tile.path().display().to_string(), problem.clone());
        }
        damage_aside(read)
    }

    fn report(&mut self, object: String, problem: String) {
        self.found.push((object, problem));
    }
}

fn damage_aside<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(Error::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

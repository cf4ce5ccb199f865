use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::files::{self, Mutant};

use super::tile::Tile;
use super::{Error, Hash};

/// Files held open until they are synced.
const OPEN_LIMIT: usize = 64;

/// The files of one batch: written first, then synced each, then each folder once. None of them counts before a
/// checkpoint says so, so they need no renaming; what a crash leaves of them is written again.
pub(super) struct Batch<'a> {
    journal: &'a Path,
    written: Vec<(File, PathBuf)>,
    folders: BTreeSet<PathBuf>,
}

impl<'a> Batch<'a> {
    pub(super) const fn new(journal: &'a Path) -> Self {
        Self { journal, written: Vec::new(), folders: BTreeSet::new() }
    }

    pub(super) fn hashes(&mut self, tile: Tile, hashes: &[Hash]) -> Result<(), Error> {
        let octets: Vec<u8> = hashes.iter().flat_map(Hash::as_bytes).copied().collect();
        self.write(tile, &octets)
    }

    pub(super) fn write(&mut self, tile: Tile, octets: &[u8]) -> Result<(), Error> {
        let path = self.journal.join(tile.path());
        if let Some(folder) = path.parent().filter(|folder| !self.folders.contains(*folder)) {
            create_folders(self.journal, folder)?;
            self.folders.insert(folder.to_owned());
        }
        let file = create_anew(&path, octets).map_err(Error::io("write", &path))?;
        self.written.push((file, path));
        if self.written.len() == OPEN_LIMIT {
            self.sync_files();
        }
        Ok(())
    }

    /// Makes all of it outlast a power cut.
    pub(super) fn sync(mut self) -> Result<(), Error> {
        if files::mutant(Mutant::TileUnsynced) {
            return Ok(());
        }
        self.sync_files();
        self.folders.iter().try_for_each(|folder| files::sync_dir(folder).map_err(Error::io("open the folder", folder)))
    }

    fn sync_files(&mut self) {
        for (file, path) in self.written.drain(..) {
            files::sync_data(&file, &path);
        }
    }
}

/// A leftover of a crash goes first: it may be longer, or readable by others.
fn create_anew(path: &Path, octets: &[u8]) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = files::create_private_file(path)?;
    file.write_all(octets)?;
    Ok(file)
}

/// One after the other, from the top, so that the name of each is durable in the one above.
fn create_folders(journal: &Path, folder: &Path) -> Result<(), Error> {
    let missing = folder.ancestors().take_while(|above| *above != journal && !above.exists());
    let missing: Vec<&Path> = missing.collect();
    let create = |folder: &&Path| files::create_private_dir(folder).map_err(Error::io("create the folder", folder));
    missing.iter().rev().try_for_each(create)
}

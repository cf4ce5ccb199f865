use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Mutant, create_private_file, mutant, sync_data, sync_dir};

/// Puts `octets` at `path` so that a reader, and a start after a power cut, finds all of the old file or all of the
/// new one: written beside it, fsynced, renamed over it, folder fsynced. Mode 0600.
pub fn publish(path: &Path, octets: &[u8]) -> io::Result<()> {
    let draft = Draft::create(path)?;
    draft.file().write_all(octets)?;
    draft.publish()
}

/// Moves a complete file of ours within a file system: fsynced, renamed, both folders fsynced.
#[expect(clippy::disallowed_methods, reason = "the same way, for a file that a library has written")]
pub fn move_in(from: &Path, to: &Path) -> io::Result<()> {
    sync_data(&File::open(from)?, from);
    fs::rename(from, to)?;
    [to, from].iter().try_for_each(|path| sync_dir(folder_of(path)))
}

/// The folder a path is in; a mere name is in the working folder.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file on its way to `path`, for what is too large to be held in memory or is read back before it counts. It lies
/// beside under a name that ends in `.tmp`, and is removed unless it is published.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    beside: PathBuf,
    file: File,
}

impl Draft {
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".tmp");
        let beside = path.with_file_name(name);
        drop(fs::remove_file(&beside));
        let file = create_private_file(&beside)?;
        Ok(Self { path: path.to_owned(), beside, file })
    }

    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Where it lies for now.
    pub fn beside(&self) -> &Path {
        &self.beside
    }

    /// Does not return when the disk says it could not.
    pub fn sync(&self) {
        sync_data(&self.file, &self.beside);
    }

    /// Gives the file its name. What was written since the last [`Draft::sync`] is synced first.
    #[expect(clippy::disallowed_methods, reason = "this is the one way")]
    pub fn publish(self) -> io::Result<()> {
        if !mutant(Mutant::PublishUnsynced) {
            self.sync();
        }
        fs::rename(&self.beside, &self.path)?;
        if mutant(Mutant::PublishNameUnsynced) {
            return Ok(());
        }
        sync_dir(folder_of(&self.path))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.beside));
    }
}

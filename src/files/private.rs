use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::{Mutant, mutant, sync_dir};

/// Creates `folder`, and those above it that are missing, readable by their owner only; checks one that is there.
pub fn create_private_dir(folder: &Path) -> io::Result<()> {
    let is_missing = |above: &&Path| !above.as_os_str().is_empty() && !above.exists();
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    if !missing.is_empty() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // The name of each new folder must outlast a power cut as what is put into it does; …
    missing.iter().try_for_each(|created| sync_name(created))?;
    if let Some(there) = missing.last().and_then(|created| created.parent()) {
        // … and so must that of the one it lies in: whoever made it may have been killed before this.
        drop(sync_name(there));
    }
    check_private(folder)
}

/// Makes the name of a folder durable in the one above.
fn sync_name(folder: &Path) -> io::Result<()> {
    match folder.parent() {
        Some(_) if mutant(Mutant::FolderNameUnsynced) => Ok(()),
        Some(above) if above.as_os_str().is_empty() => sync_dir(Path::new(".")),
        above => above.map_or(Ok(()), sync_dir),
    }
}

/// Creates a file that is not there yet, readable and writable by its owner only.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Opens a file of ours for reading and writing, or creates it, readable by its owner only.
pub fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Refuses what others than its owner may read: the archive holds other people's letters. The sentence does not
/// begin with the path; whoever passes it on says what it is about.
pub fn check_private(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("it can be read by others (mode {:04o}); run: chmod go= {}", mode & 0o7777, path.display()),
    ))
}

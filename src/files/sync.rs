use std::fmt::Display;
use std::fs::File;
use std::io;
use std::path::Path;

use super::{Mutant, mutant};

/// Makes what was written to `file` outlast a power cut.
///
/// Does not return when the disk says it could not: after a failed fsync the kernel may have dropped the pages and
/// call the next one a success, so the only safe answer is to stop and read the tail again at the next start.
pub fn sync_data(file: &File, path: &Path) {
    if let Err(error) = file.sync_data()
        && !mutant(Mutant::SyncErrorIgnored)
    {
        stop(path, &error);
    }
}

/// Makes the names in `folder` outlast a power cut: files created in it, renamed into it, unlinked from it.
/// Does not return when the disk says it could not.
pub fn sync_dir(folder: &Path) -> io::Result<()> {
    let handle = File::open(folder)?;
    if let Err(error) = handle.sync_all() {
        stop(folder, &error);
    }
    Ok(())
}

/// Ends the process because the disk could not make what was written to `path` durable. For those whose fsync is
/// called by a library.
#[expect(clippy::print_stderr, reason = "the last words of a process that must not go on")]
#[expect(clippy::disallowed_methods, reason = "an fsync error ends the process: nothing written since can be trusted")]
pub fn stop(path: &Path, error: &dyn Display) -> ! {
    eprintln!(
        "poplar: the disk could not make {} durable: {error}. Stopping at once, so that nothing is acknowledged \
         that may be lost. Check the disk, then start poplar again.",
        path.display()
    );
    std::process::exit(1)
}

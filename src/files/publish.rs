use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::{create_private_file, sync_data, sync_dir};

/// Puts `octets` at `path` so that a reader, and a start after a power cut, finds all of the old file or all of the
/// new one: written beside it, fsynced, renamed over it, folder fsynced. Mode 0600.
#[expect(clippy::disallowed_methods, reason = "this is the one way")]
pub fn publish(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let beside = path.with_file_name(name);
    drop(fs::remove_file(&beside));
    let mut file = create_private_file(&beside)?;
    file.write_all(octets)?;
    sync_data(&file, &beside);
    fs::rename(&beside, path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

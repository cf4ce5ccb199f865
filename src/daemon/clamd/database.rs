//! Which signatures clamd runs with: the system's, downloaded ones, or the built-in one.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::mail::{Hasher, eicar};

use super::home::Home;
use super::{Settings, Signatures};

/// Folder below the home that downloads go to.
pub(super) const DOWNLOADED: &str = "db";

const BUILT_IN: &str = "builtin";

/// Endings of the files that clamd loads.
const ENDINGS: [&str; 23] = [
    "cvd", "cld", "cud", "cdb", "crb", "cbc", "fp", "sfp", "hdb", "hdu", "hsb", "hsu", "idb", "ldb", "ldu", "mdb",
    "mdu", "msb", "msu", "ndb", "ndu", "yar", "yara",
];

/// What is there already. The system's folder comes first: somebody looks after it.
pub(super) fn present(settings: &Settings, home: &Home) -> Option<Signatures> {
    let downloaded = home.path().join(DOWNLOADED);
    if has_signatures(&settings.database_dir) {
        Some(Signatures::System(settings.database_dir.clone()))
    } else {
        has_signatures(&downloaded).then_some(Signatures::Downloaded(downloaded))
    }
}

/// The folder as clamd's configuration names it.
pub(super) fn folder(signatures: &Signatures) -> PathBuf {
    match signatures {
        Signatures::System(folder) => folder.clone(),
        Signatures::Downloaded(_) => DOWNLOADED.into(),
        Signatures::BuiltIn { .. } => BUILT_IN.into(),
    }
}

/// One signature, made at run time: the EICAR test file in any kind of file, at any offset.
pub(super) fn write_built_in(home: &Home) -> io::Result<()> {
    let pattern: String = eicar().iter().map(|octet| format!("{octet:02x}")).collect();
    home.make_folder(BUILT_IN, None)?;
    home.write("builtin/poplar-eicar.ndb", format!("Poplar.EICAR-Test-File:0:*:{pattern}\n").as_bytes())
}

/// What tells whether anything in a folder has changed, without reading the files.
pub(super) type Stamps = Vec<(PathBuf, u64, Option<SystemTime>)>;

pub(super) fn stamps(folder: &Path) -> Stamps {
    let mut stamps: Stamps = files(folder)
        .filter_map(|path| {
            let metadata = path.metadata().ok()?;
            Some((path, metadata.len(), metadata.modified().ok()))
        })
        .collect();
    stamps.sort();
    stamps
}

/// What tells these signatures, loaded with this configuration, from any others: SHA-256 over all of it, in hex.
pub(super) fn signature_set(folder: &Path, config: &str) -> io::Result<String> {
    let mut hasher = Hasher::new();
    hasher.update(config.as_bytes());
    let mut paths: Vec<PathBuf> = files(folder).collect();
    paths.sort();
    for path in paths {
        let mut file = File::open(&path)?;
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        for field in [&name.len().to_be_bytes()[..], name, &file.metadata()?.len().to_be_bytes()] {
            hasher.update(field);
        }
        let mut piece = vec![0; 1 << 16];
        while let length @ 1.. = file.read(&mut piece)? {
            hasher.update(&piece[..length]);
        }
    }
    Ok(hasher.finish().to_string())
}

/// Those that clamd loads.
fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| {
        path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending))
    })
}

fn has_signatures(folder: &Path) -> bool {
    files(folder).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test lays its files")]
    fn a_set_is_told_by_names_octets_and_settings_of_what_clamd_loads() {
        let folder = tempfile::tempdir().unwrap();
        let set = |config: &str| signature_set(folder.path(), config).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("a.ndb", "one");
        let first = set("MaxFiles 1");
        assert_eq!(set("MaxFiles 1"), first);
        assert_ne!(set("MaxFiles 2"), first);
        write("freshclam.dat", "not loaded");
        assert_eq!(set("MaxFiles 1"), first);
        let before = stamps(folder.path());
        write("b.ndb", "");
        assert_ne!((set("MaxFiles 1"), stamps(folder.path())), (first.clone(), before));
        fs::remove_file(folder.path().join("b.ndb")).unwrap();
        write("a.ndb", "two");
        assert_ne!(set("MaxFiles 1"), first);
    }
}

//! Which signatures clamd runs with: the system's, downloaded ones, or the built-in one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::mail::eicar;

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

/// freshclam, ready to download into the home. It stays poplar's user: what it takes from the network is signed, and
/// clamd, which it is for, must not be able to change its own signatures.
pub(super) fn freshclam(program: &Path, home: &Home) -> io::Result<Command> {
    let folder = home.make_folder(DOWNLOADED, None)?;
    home.write("freshclam.conf", b"DatabaseMirror database.clamav.net\nConnectTimeout 10\nMaxAttempts 1\n")?;
    let mut command = Command::new(program);
    command.arg("--foreground");
    if home.user().is_some() {
        command.arg("--user=root");
    }
    command.arg("--config-file").arg(home.path().join("freshclam.conf")).arg("--datadir").arg(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

fn has_signatures(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending))
    })
}

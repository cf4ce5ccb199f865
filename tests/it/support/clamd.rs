//! A real clamd with the built-in signature, in a folder of the test's.

use std::path::Path;
use std::time::Duration;

use poplar::daemon::clamd::{Managed, STREAM_MAX_BYTES, Settings};

/// Long enough for a busy machine; with one signature it takes a fraction of a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn settings(data_dir: &Path) -> Settings {
    Settings {
        data_dir: data_dir.to_owned(),
        database_dir: data_dir.join("no-system-signatures"),
        freshclam: None,
        clamd_program: None,
        runtime_dir: None,
        stream_max_bytes: STREAM_MAX_BYTES,
    }
}

/// Starts clamd and waits for it. Without clamd on the machine this fails, saying what to install.
pub(crate) fn start(data_dir: &Path) -> Managed {
    start_with(settings(data_dir))
}

pub(crate) fn start_with(settings: Settings) -> Managed {
    let clamd = Managed::start(settings, || {}).unwrap();
    wait(&clamd);
    clamd
}

pub(crate) fn wait(clamd: &Managed) {
    if let Err(error) = clamd.wait_ready(PATIENCE) {
        panic!("{error}");
    }
}

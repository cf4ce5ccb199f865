//! A server with its mailboxes, and an archive that may poll it.

use super::dovecot::Dovecot;
use super::poplar::Archive;

pub(crate) struct Scene {
    _folder: tempfile::TempDir,
    pub(crate) server: Dovecot,
    pub(crate) archive: Archive,
}

impl Scene {
    /// The server runs; no account is configured.
    pub(crate) fn with(archive: Archive) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { server: Dovecot::start(folder.path()), _folder: folder, archive }
    }

    /// Nobody scans.
    pub(crate) fn without_scanner() -> Self {
        Self::with(Archive::with_clamd("unix:/nonexistent/clamd.sock"))
    }
}

use std::path::{Path, PathBuf};

use rusqlite::ffi::{self, SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};

use crate::files;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot open {}: {source}{}", .path.display(), advice(.source))]
    Open { path: PathBuf, source: rusqlite::Error },

    #[error("the catalog: {0}{advice}", advice = advice(.0))]
    Sql(rusqlite::Error),

    #[error("the catalog holds something unreadable: {0}")]
    Unreadable(String),

    #[error("{}: written by a newer poplar (schema {found}, this one knows {known}); use that one", .path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },

    #[error("{}: SQLite could not change to its write-ahead log and stays in mode {mode}; check the disk", .path.display())]
    NoLog { path: PathBuf, mode: String },

    #[error("cannot copy the catalog to {}: {source}", .path.display())]
    Snapshot { path: PathBuf, source: rusqlite::Error },

    #[error("cannot replace {}: {}", .0.display(), .1)]
    Replace(PathBuf, std::io::Error),

    /// Only the owner brings it up to date.
    #[error("{}: written by an older poplar; run `poplar status` again once `poplar run` or `poplar fetch` was started", .0.display())]
    Older(PathBuf),

    /// Facts are gone while the mail is there: going on would fetch everything again.
    #[error(
        "{}: there is no catalog, but there are packs beside it. `poplar rebuild` makes it anew from them; starting with \
         an empty one would fetch all mail again", .0.display()
    )]
    LostBesidePacks(PathBuf),

    #[error("SQLite {0} has a bug that can corrupt the catalog; 3.51.3 or newer is needed")]
    OldSqlite(&'static str),

    #[error("no account is named {0}")]
    NoAccount(String),
}

/// Does not return when SQLite says that an fsync failed: what it committed may be lost, and the next fsync may call
/// that a success.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        stop_if_not_durable(Path::new("catalog.db"), &error);
        Self::Sql(error)
    }
}

fn stop_if_not_durable(path: &Path, error: &rusqlite::Error) {
    let code = error.sqlite_error().map(|error| error.extended_code);
    if matches!(code, Some(SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC)) {
        files::stop(path, error);
    }
}

impl Error {
    pub(super) fn open(path: &Path, source: rusqlite::Error) -> Self {
        stop_if_not_durable(path, &source);
        Self::Open { path: path.to_owned(), source }
    }

    pub(super) fn snapshot(path: &Path, source: rusqlite::Error) -> Self {
        stop_if_not_durable(path, &source);
        Self::Snapshot { path: path.to_owned(), source }
    }

    /// Whether the same call may succeed later: the disk was full, or another process was writing.
    pub fn is_transient(&self) -> bool {
        let (Self::Sql(error) | Self::Open { source: error, .. } | Self::Snapshot { source: error, .. }) = self else {
            return false;
        };
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure};
        matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked | DiskFull | SystemIoFailure))
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    // The second: no room for the index that processes share.
    matches!(extended, Some(ffi::SQLITE_FULL | ffi::SQLITE_IOERR_SHMSIZE))
}

fn advice(error: &rusqlite::Error) -> &'static str {
    if is_full(error) { ". Make room on the disk of the archive; what could not be kept is fetched again" } else { "" }
}

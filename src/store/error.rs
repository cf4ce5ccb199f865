use std::io;
use std::path::{Path, PathBuf};

use super::Location;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {}: {source}{}", .path.display(), advice(.source))]
    Io { action: &'static str, path: PathBuf, source: io::Error },

    /// Not what was written: named, never repaired behind the user's back.
    #[error("{}: damaged at byte {offset}: {problem}", .path.display())]
    Damaged { path: PathBuf, offset: u64, problem: String },

    #[error("{}: written by a newer poplar (format {version}); use that one to read it", .path.display())]
    Newer { path: PathBuf, version: u16 },

    #[error("pack {} is not there: {}", .location.pack, .path.display())]
    Missing { location: Location, path: PathBuf },

    #[error("pack {} has no record {}", .0.pack, .0.ordinal)]
    NoRecord(Location),

    /// The catalog that knew this pack is gone, and another has been made in its place.
    #[error(
        "{}: this pack belongs to another archive than catalog.db does. Nothing was changed; put the two where they \
         belong", .0.display()
    )]
    Foreign(PathBuf),

    /// Not the sealed form of the open pack beside it.
    #[error(
        "{}: it lacks {lacking} records that the catalog says are in this pack. Nothing was changed; move it away, or \
         put back the one that belongs here", .path.display()
    )]
    Lacks { path: PathBuf, lacking: usize },

    /// Sealing would write over what somebody may still want to look at.
    #[error("{problem}. It stands where this pack would be sealed; move it away")]
    InTheWay { problem: Box<Self> },

    /// Told to stop before the end.
    #[error("stopped")]
    Stopped,

    /// What was just written does not read back as what was meant. Nothing of the batch counts.
    #[error("{}: what was written does not read back: {problem}", .path.display())]
    ReadBack { path: PathBuf, problem: String },
}

impl Error {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(super) fn damaged(path: &Path, offset: u64, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), offset, problem: problem.into() }
    }

    /// Whether the same call may succeed later without anyone mending anything but the disk's space.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::ReadBack { .. })
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn advice(error: &io::Error) -> &'static str {
    if is_full(error) { ". Make room on this disk; what could not be kept is fetched again" } else { "" }
}

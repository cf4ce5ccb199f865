use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tantivy::TantivyError;
use tantivy::directory::error::OpenReadError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no search index in {}; a running daemon, or the next `poplar fetch`, makes one", folder.display())]
    Missing { folder: PathBuf },
    #[error(
        "the search index in {} was made by another version of poplar; started again, the daemon makes it anew, or the next `poplar fetch`",
        folder.display()
    )]
    Outdated { folder: PathBuf },
    #[error("the search index in {} is damaged ({problem}); a running daemon, or the next `poplar fetch`, makes it anew", folder.display())]
    Damaged { folder: PathBuf, problem: String },
    #[error("the search index in {} is being written by another process; try again when that is done", folder.display())]
    Busy { folder: PathBuf },
    #[error("the search index in {} could not be read or written: {source}", folder.display())]
    Engine { folder: PathBuf, source: TantivyError },
    #[error("the page is to begin behind message {id}, which is none of the hits")]
    NoSuchHit { id: String },
    /// A mistake of the caller, who has to look up every fact of a query first.
    #[error("the search asks for `{fact}`, which was not looked up")]
    UnknownFact { fact: String },
}

impl Error {
    /// Whether the same may succeed later: a full disk, another writer.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Engine { source: TantivyError::IoError(_), .. })
    }

    /// Whether the folder must be removed and filled again.
    pub const fn wants_rebuild(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Outdated { .. } | Self::Damaged { .. })
    }

    /// Whether the files may be to blame. The engine tells what its own threads panicked on as an error like any other.
    pub(super) fn is_suspicious(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            // A full disk is no damage, whichever kind of error it comes as.
            Self::Engine { source, .. } => !source.to_string().contains("os error"),
            _ => false,
        }
    }

    pub(super) fn of(folder: &Path, source: TantivyError) -> Self {
        let folder = folder.to_owned();
        match source {
            TantivyError::LockFailure(..) => Self::Busy { folder },
            TantivyError::IncompatibleIndex(_) | TantivyError::OpenReadError(OpenReadError::IncompatibleIndex(_)) => {
                Self::Outdated { folder }
            }
            TantivyError::DataCorruption(_)
            | TantivyError::DeserializeError(_)
            | TantivyError::OpenReadError(OpenReadError::FileDoesNotExist(_))
            | TantivyError::SchemaError(_) => Self::Damaged { folder, problem: source.to_string() },
            TantivyError::OpenReadError(OpenReadError::IoError { io_error, filepath }) if is_torn(&io_error) => {
                let name = filepath.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Self::Damaged { folder, problem: format!("{name} has no proper end") }
            }
            TantivyError::IoError(error) if is_torn(&error) => {
                Self::Damaged { folder, problem: "a file has no proper end".to_owned() }
            }
            source => Self::Engine { folder, source },
        }
    }
}

/// What the engine finds in a file that was cut off or written over, or in place of the folder, as opposed to a disk that does not read.
fn is_torn(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, InvalidData, NotADirectory, UnexpectedEof};
    matches!(error.kind(), InvalidData | UnexpectedEof | AlreadyExists | NotADirectory)
}

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Lets panics that come to nothing but an error be told as that error, and not as a panic too. For the beginning of a
/// program.
pub fn tell_no_caught_panics() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !IS_GUARDED.get() {
            tell(panic);
        }
    }));
}

/// For a thread that does nothing but what [`guarded`] waits for.
pub(super) fn guard_thread() {
    IS_GUARDED.set(true);
}

/// Runs what reads the index. On a file that is not as it was written the engine panics in some places; that must
/// end the search and not the daemon.
pub(super) fn guarded<T>(folder: &Path, read: impl FnOnce() -> tantivy::Result<T>) -> Result<T, Error> {
    let outer = IS_GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    IS_GUARDED.set(outer);
    match outcome {
        Ok(result) => result.map_err(|error| Error::of(folder, error)),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unreadable file");
            Err(Error::Damaged { folder: folder.to_owned(), problem: said.to_owned() })
        }
    }
}

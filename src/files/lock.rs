use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::open_private;

/// A file held by one process at a time, and the folder it is in: a file that somebody removed would be another one
/// for the next process. The kernel lets go of both however the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    _folder: File,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Held by another process; its number, if it wrote one.
    #[error("held by process {}", .0.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))]
    Held(Option<u32>),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Lock {
    /// Takes the lock at once or says who holds it.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let mut file = open_private(path)?;
        let folder = File::open(path.parent().unwrap_or(Path::new(".")))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(holder(&mut file))),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // Network file systems may know no locks on folders. The file has to do there.
        if let Err(TryLockError::WouldBlock) = folder.try_lock() {
            return Err(LockError::Held(holder(&mut file)));
        }
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self { _file: file, _folder: folder })
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path).unwrap();
        let refused = Lock::take(&path).unwrap_err();
        assert!(matches!(refused, LockError::Held(Some(pid)) if pid == std::process::id()), "{refused}");
        drop(first);
        Lock::take(&path).unwrap();
    }

    #[test]
    fn a_lock_whose_file_is_removed_is_held_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for _ in 0..2 {
            assert!(matches!(Lock::take(&path), Err(LockError::Held(None))));
        }
        drop(first);
        Lock::take(&path).unwrap();
    }
}

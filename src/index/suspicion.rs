//! Whoever finds the index unreadable leaves word for its owner, who looks closer, and makes it anew if it is damaged.
//! The word is a file beside the index's own, and goes with them.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::{Error, Index};
use crate::files::create_private_file;

const WORD: &str = "suspect";

/// Leaves word of a problem, if it is one of the index and not of the disk or the machine.
pub fn suspect(folder: &Path, found: &Error) {
    if found.is_suspicious() {
        suspect_of(folder, &found.to_string());
    }
}

/// Leaves word of a problem in words. Who may not write there has told its user at least.
pub fn suspect_of(folder: &Path, problem: &str) {
    let file = create_private_file(&folder.join(WORD));
    drop(file.and_then(|mut file| file.write_all(problem.as_bytes())));
}

impl Index {
    /// What somebody found amiss; and an index that somebody took away is amiss, too.
    pub fn suspicion(&self) -> Option<String> {
        if !self.folder.join("meta.json").exists() {
            return Some("it is gone".to_owned());
        }
        match fs::read(self.folder.join(WORD)) {
            Ok(problem) => Some(String::from_utf8_lossy(&problem).into_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            // Another user's.
            Err(_) => Some("somebody found it damaged".to_owned()),
        }
    }

    /// There was nothing amiss.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`] if the word cannot be taken away.
    pub fn clear_suspicion(&self) -> Result<(), Error> {
        match fs::remove_file(self.folder.join(WORD)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::of(&self.folder, error.into())),
            _ => Ok(()),
        }
    }
}

//! Whoever finds the index unreadable leaves word for its owner, who looks closer, and makes it anew if it is damaged.
//! The word is a file beside the index's own, and goes with them.

use std::fs;
use std::path::Path;

use super::{Error, Index};
use crate::files;

const WORD: &str = "suspect";

/// Leaves word, if what was found in the index in `folder` is damage. Who may not write there has told its user at least.
pub fn suspect(folder: &Path, found: &Error) {
    if let Error::Damaged { problem, .. } = found {
        suspect_of(folder, problem);
    }
}

/// Leaves word of a problem in words.
pub fn suspect_of(folder: &Path, problem: &str) {
    drop(files::publish(&folder.join(WORD), problem.as_bytes()));
}

impl Index {
    /// What somebody found amiss; and an index that somebody took away is amiss, too.
    pub fn suspicion(&self) -> Option<String> {
        if !self.folder.join("meta.json").exists() {
            return Some("it is gone".to_owned());
        }
        match fs::read(self.folder.join(WORD)) {
            Ok(problem) => Some(String::from_utf8_lossy(&problem).into_owned()),
            Err(_) => None,
        }
    }

    /// There was nothing amiss.
    pub fn clear_suspicion(&self) {
        drop(fs::remove_file(self.folder.join(WORD)));
    }
}

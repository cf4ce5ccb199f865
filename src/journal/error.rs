use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {}: {source}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },

    #[error("a private record is not what the journal writes: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("a private record has version {0}; this poplar reads version 1: use a newer one")]
    Version(u32),

    /// A file of the journal is not what was written.
    #[error("{}: damaged: {problem}", .path.display())]
    Damaged { path: PathBuf, problem: String },

    /// No signature by the key that counts.
    #[error("{what} is not signed by the key {key}: {problem}. Do not trust what it covers")]
    Signature { what: String, key: String, problem: String },

    /// What lies in the folder is not the tree that was signed.
    #[error(
        "{}: the tree in this folder is not the one that its checkpoint signs: {problem}. Nothing was changed; restore \
         the folder from a backup", .path.display()
    )]
    NotAPrefix { path: PathBuf, problem: String },

    #[error(
        "{} is missing, though the journal has been signed with it. Restore it from a backup: a new key would not be \
         the one that others know", .0.display()
    )]
    SecretMissing(PathBuf),

    #[error("{}: not a key of this journal: {problem}. Nothing was changed; put back the file that belongs here", .path.display())]
    Key { path: PathBuf, problem: String },

    #[error("not a verifier key: {0}. One looks like poplar/0123…+89abcdef+AbCd…, in one line, as in journal/key")]
    VerifierKey(String),

    #[error("the journal has no entry {index}: it has {size}")]
    NoEntry { index: u64, size: u64 },

    #[error("a leaf has {0} octets; the journal takes fewer than 65535")]
    TooLong(usize),

    /// A proof that cannot be read, or does not prove.
    #[error("the proof does not hold: {0}")]
    Proof(String),
}

impl Error {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(super) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.into() }
    }

    /// Whether the same call may succeed later without anyone mending anything but the disk's space.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Io { .. })
    }
}

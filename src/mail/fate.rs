use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What became of a message that a server listed. Every UIDL ever seen has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Its octets were new and are in the archive.
    Kept,
    /// Its octets were in the archive already.
    Duplicate,
    /// Larger than the account's `max_message_bytes`; it stays on the server.
    Oversize,
    /// The server would not hand it out; the reason is kept and it is tried again.
    Failed,
    /// Its transfer broke off. It is asked for again, behind all others, so that it cannot keep them from coming.
    Interrupted,
    /// Listed but not asked for yet: the session ended before its turn, or it waits after a failure.
    Deferred,
    /// Listed once, then gone before it could be fetched.
    Vanished,
}

impl Fate {
    pub const ALL: [Self; 7] =
        [Self::Kept, Self::Duplicate, Self::Oversize, Self::Failed, Self::Interrupted, Self::Deferred, Self::Vanished];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Duplicate => "duplicate",
            Self::Oversize => "oversize",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Deferred => "deferred",
            Self::Vanished => "vanished",
        }
    }

    /// Whether the octets are in the archive.
    pub const fn is_archived(self) -> bool {
        matches!(self, Self::Kept | Self::Duplicate)
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Fate {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|fate| fate.as_str() == word).ok_or(())
    }
}

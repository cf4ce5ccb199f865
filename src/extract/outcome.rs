use std::fmt;

/// What was read of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// Words in the order in which they are read; lines and blanks separate them. May hold something whatever the outcome.
    pub text: String,
    pub outcome: Outcome,
}

/// How far a document was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All of it that this version can read.
    Read,
    /// Some of it, and why no more.
    Partial(String),
    /// Nobody without the password can read it.
    Encrypted,
    /// Nothing is known of its format, or there is nothing to read in it.
    Unsupported,
    /// It is not what it is said to be, or broken: reading it again gives the same.
    Failed(String),
    /// The worker died of it, or ran out of time or memory, and why.
    Crashed(String),
    /// No worker could be started: says nothing about the document, trying later helps.
    Unavailable(String),
}

impl Outcome {
    /// The word used in JSON and on screen.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Partial(_) => "partial",
            Self::Encrypted => "encrypted",
            Self::Unsupported => "unsupported",
            Self::Failed(_) => "failed",
            Self::Crashed(_) => "crashed",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// What went wrong, where something did.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Partial(why) | Self::Failed(why) | Self::Crashed(why) | Self::Unavailable(why) => Some(why),
            Self::Read | Self::Encrypted | Self::Unsupported => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why() {
            Some(why) => write!(f, "{}: {why}", self.as_str()),
            None => f.pad(self.as_str()),
        }
    }
}

impl Extracted {
    pub(super) const fn nothing(outcome: Outcome) -> Self {
        Self { text: String::new(), outcome }
    }
}

use std::fmt;

use crate::mail::Verdict;
use crate::mail::message::Problem;

/// Why octets that the scanner passed may still hold what it did not see. Prints as a short sentence with the fact.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// The message's structure could not be read, or not surely.
    Structure(Problem),
    /// A header that says how to take the message apart can be read in more than one way.
    Header {
        name: &'static str,
        why: &'static str,
    },
    /// One piece of a message that came in several (RFC 2046, section 5.2.2).
    Fragment,
    /// The content lies elsewhere (RFC 2046, section 5.2.3).
    External,
    /// In a charset that hides what it says from the scanner.
    Charset(String),
    /// More further readings than are made.
    TooManyReadings {
        made: usize,
    },
    /// Readings inside readings, more deeply than is looked.
    TooDeep {
        levels: u8,
    },
    /// Nobody without the key can look into it.
    Encrypted {
        what: &'static str,
    },
    /// Longer than the scanner takes.
    TooLarge {
        size_bytes: u64,
        limit_bytes: u64,
    },
    /// Archives in it unpack to more than is looked into.
    UnpacksToMore,
    /// A member is, or may become, larger than the scanner takes.
    MemberTooLarge {
        name: String,
        size_bytes: u64,
        limit_bytes: u64,
    },
    /// All members together are more than the scanner takes.
    ContentTooLarge {
        size_bytes: u64,
        limit_bytes: u64,
    },
    TooManyMembers {
        count: u64,
        limit: u64,
    },
    /// Unpacks to so much more than it is that it is made to exhaust.
    Ratio {
        name: String,
        times: u64,
    },
    /// Archives inside archives beyond what the scanner opens.
    NestedTooDeep {
        levels: u32,
        limit: u32,
    },
    /// Packed in a way that the scanner does not open.
    Unopened {
        what: String,
    },
    /// The archive contradicts itself, so that programs take different things out of it.
    Contradiction {
        what: &'static str,
        name: String,
    },
    /// The archive is cut off, or one piece of several.
    Truncated {
        what: &'static str,
    },
}

impl Doubt {
    /// What the octets are at best.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Encrypted { .. } => Verdict::Encrypted,
            _ => Verdict::Partial,
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: u64 = 1 << 20;
        match self {
            Self::Structure(problem) => write!(f, "not all of it could be taken apart: {problem}"),
            Self::Header { name, why } => write!(f, "its {name} header can be read in more than one way: {why}"),
            Self::Fragment => f.write_str("it is one piece of a message that came in several"),
            Self::External => f.write_str("its content lies elsewhere"),
            Self::Charset(name) => write!(f, "its text is in {name:?}, which the scanner does not read"),
            Self::TooManyReadings { made } => write!(f, "it can be read in more than the {made} ways that were tried"),
            Self::TooDeep { levels } => write!(f, "it is wrapped more than {levels} times"),
            Self::Encrypted { what } => write!(f, "{what} is encrypted"),
            Self::TooLarge { size_bytes, limit_bytes } => {
                write!(f, "it is {} MiB long; the scanner takes {} MiB", size_bytes.div_ceil(MIB), limit_bytes / MIB)
            }
            Self::UnpacksToMore => {
                f.write_str("the archives in it unpack to so much more than it is that not all was seen")
            }
            Self::MemberTooLarge { name, size_bytes, limit_bytes } => write!(
                f,
                "{name:?} in it is {} MiB long; the scanner takes {} MiB",
                size_bytes.div_ceil(MIB),
                limit_bytes / MIB
            ),
            Self::ContentTooLarge { size_bytes, limit_bytes } => {
                write!(f, "it unpacks to {} MiB; the scanner takes {} MiB", size_bytes.div_ceil(MIB), limit_bytes / MIB)
            }
            Self::TooManyMembers { count, limit } => write!(f, "it has {count} members; the scanner takes {limit}"),
            Self::Ratio { name, times } => write!(f, "{name:?} in it unpacks to {times} times its size"),
            Self::NestedTooDeep { levels, limit } => {
                write!(f, "archives lie {levels} deep in it; the scanner opens {limit}")
            }
            Self::Unopened { what } => write!(f, "the scanner does not open {what}"),
            Self::Contradiction { what, name } if name.is_empty() => {
                write!(f, "the archive contradicts itself: {what}")
            }
            Self::Contradiction { what, name } => write!(f, "the archive contradicts itself: {what} ({name:?})"),
            Self::Truncated { what } => write!(f, "the archive is not whole: {what}"),
        }
    }
}

//! Why there is no answer, and what that says about the message that was asked about.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{Address, Answer};
use crate::proto::clamd as proto;

/// Why there is no answer. Nothing is known about what was to be scanned.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot connect to clamd at {address}: {source}; start it, or correct scan.clamd")]
    Connect { address: Address, source: Arc<io::Error> },
    #[error("clamd at {address} did not take the connection within {} s", .waited.as_secs_f32())]
    Unreachable { address: Address, waited: Duration },
    #[error("clamd took nothing more of the message for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    #[error("clamd gave no answer within {} s", .0.as_secs_f32())]
    Silent(Duration),
    #[error("the connection to clamd broke: {0}")]
    Broken(Arc<io::Error>),
    #[error(transparent)]
    Protocol(#[from] proto::Error),
    #[error("the scanner does not find the EICAR test file: it answered {0:?}; check its signature database")]
    Blind(Answer),
    #[error("the scanner does not pass harmless text: it answered {0:?}; check its signature database")]
    Alarmed(Answer),
    #[error("what was to be scanned could not be read: {0}")]
    Source(Arc<io::Error>),
    #[error("the message could not be handed to clamd: {0}")]
    Memory(Arc<io::Error>),
    #[error("the session with clamd ended before the message was asked about")]
    Over,
    /// The message was the only one that clamd had when the session ended, for the second time.
    #[error("clamd fails on this very message: {0}")]
    Deadly(Box<Self>),
    /// No address answers; the next attempt is made after `retry` at the earliest.
    #[error("{why}")]
    Away { why: String, retry: Duration },
}

/// What the end of a session says about a scan that was in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The reason is known, and is another: ask again.
    Another,
    /// Ask again once.
    Once,
    /// Each message that clamd had may be what ended it: ask again about each alone.
    Suspect,
    /// Asking again does not help.
    Final,
}

impl Error {
    /// Whether the same may succeed later without anybody repairing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Protocol(error) => error.is_transient(),
            Self::Blind(_) | Self::Alarmed(_) | Self::Source(_) | Self::Deadly(_) => false,
            _ => true,
        }
    }

    pub(super) const fn blame(&self) -> Blame {
        use proto::Error as Wire;
        match self {
            Self::Over | Self::Protocol(Wire::Limited) => Blame::Another,
            Self::Stalled(_) | Self::Silent(_) | Self::Protocol(Wire::TimedOut | Wire::Refused(_)) => Blame::Once,
            Self::Broken(_) | Self::Protocol(_) => Blame::Suspect,
            _ => Blame::Final,
        }
    }
}

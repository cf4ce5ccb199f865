//! Talks to clamds over their sockets: makes sure that they find what they must find, has many messages scanned at once.
//! Knows nothing about parts or verdicts.
//!
//! A [`Pool`] has a `Place` for each address, a place several `Link`s, a link one session with a window of questions.
//! Suspects, who clamd may have died of, are asked about alone.

mod address;
mod breaker;
mod error;
mod greet;
mod link;
mod place;
mod pool;
mod socket;
mod source;
mod suspects;

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

pub use self::address::{Address, ParseAddressError};
pub use self::error::Error;
pub use self::greet::probe;
pub use self::pool::Pool;
pub use self::source::{Pieces, Source, Stream};
pub use crate::proto::clamd::{Answer, Version, built};

/// How long clamd may take over what it does.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    pub connect: Duration,
    /// For taking one chunk off our hands.
    pub stall: Duration,
    /// From the last octet sent to the answer. It is for one scan; the others in the session have their own.
    pub reply: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(2), stall: seconds(30), reply: seconds(180) }
    }
}

/// How a pool uses each of its clamds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sessions for small messages, and as many again for large ones; opened when they are needed.
    pub connections: usize,
    /// Scans in flight in one session.
    pub window: u32,
    pub deadlines: Deadlines,
    /// For each answer of the self-test; as long as clamd may take to load signatures where it does so with nobody served.
    pub hello: Duration,
    /// A session that was not used for so long is not used again: clamd may be about to hang up (CommandReadTimeout).
    pub idle: Duration,
    /// How long a clamd is left alone after failures in a row: at first, and at most.
    pub rest: (Duration, Duration),
    /// How long a message that clamd may have died of waits for a clamd to come back.
    pub comeback: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connections: available_parallelism().map_or(1, usize::from),
            window: 8,
            deadlines: Deadlines::default(),
            hello: seconds(30),
            idle: seconds(3),
            rest: (Duration::from_millis(500), seconds(30)),
            comeback: seconds(60),
        }
    }
}

/// How the octets reach clamd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As the descriptor of a sealed file in memory.
    Fildes,
    /// In chunks over the socket.
    Instream,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fildes => "fildes",
            Self::Instream => "instream",
        })
    }
}

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub address: Address,
    /// As clamd gave it when it was last asked.
    pub version: Version,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    pub answer: Answer,
    /// As known before the question: whether the signatures were still the same, [`Pool::version_at`] tells afterwards.
    pub who: Arc<Who>,
    pub transport: Transport,
}

/// What is known of one clamd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub address: Address,
    /// `None`: it has not answered yet.
    pub who: Option<Arc<Who>>,
    /// Why it did not answer when it was last asked.
    pub away: Option<String>,
}

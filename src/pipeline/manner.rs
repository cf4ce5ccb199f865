//! How a session goes, and what it teaches for the next.

use std::time::Duration;

use super::Error;
use super::recognise::Doubt;
use crate::mail::event::SessionCounts;

/// How a session is to go, from what earlier ones taught.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) one_at_a_time: bool,
    /// Header blocks may be compared.
    pub(super) headers: bool,
    pub(super) doubt: Doubt,
    /// Messages up to this number that have no name came in an earlier session of the poll.
    pub(super) behind: u32,
}

/// What the poll does after a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    /// There is more than one session takes.
    More,
    /// The session broke down with several commands outstanding: once more with one at a time.
    OneAtATime(Trouble),
    /// A unique-id stood for another message: all of them are in doubt.
    DoubtAll,
}

/// How a session broke down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The server said what nobody can understand.
    Nonsense,
    /// The line, or the server, went away.
    Broken,
}

#[derive(Debug)]
pub(super) struct Visited {
    pub(super) counts: SessionCounts,
    pub(super) error: Option<Error>,
    pub(super) next: Next,
    /// [`Manner::behind`] for another session.
    pub(super) behind: u32,
    /// What the server wants between two logins.
    pub(super) pause: Duration,
    /// TOP gave other header blocks than RETR.
    pub(super) headers_differ: bool,
}

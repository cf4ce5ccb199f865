//! What the scanner is shown of a message beside its raw octets: each part, and every further reading that some mail
//! program may make of it. Knows nothing about scanners: no signature, no answer, no socket.

mod carve;
mod containers;
mod doubt;
mod entities;
mod fields;
mod lines;
mod readings;
#[cfg(test)]
mod tests;
mod transfer;

use std::borrow::Cow;

use super::message::Message;

pub use containers::{Limits, zip};
pub use doubt::Doubt;

/// Counts the ways in which messages have been taken apart so far: what was clean to an earlier one is scanned again. To be
/// raised with every change that shows or doubts more.
pub const EDITION: u32 = 2;

/// What of a message the scanner is shown beside its raw octets, and what could not be shown.
#[derive(Debug, Clone, Default)]
pub struct Views<'x> {
    /// First `part 1`, `part 2` … as in [`Message::parts`], then the further readings.
    pub views: Vec<View<'x>>,
    /// What holds for the message as a whole. Those of one view stand there.
    pub doubts: Vec<Doubt>,
}

/// Octets that a mail program may make of some of the message's.
#[derive(Debug, Clone)]
pub struct View<'x> {
    /// `part N` for the decoded part N; further readings of it begin with `part N ` and name how it was read. What
    /// belongs to no part begins with `body`, or is the `preamble` or `epilogue`.
    pub name: String,
    pub octets: Cow<'x, [u8]>,
    pub doubts: Vec<Doubt>,
}

/// Reads a message in all ways that mail programs are known to. Of further readings none equals the raw octets or
/// another view of the same part; together they are at most four times as long as the message and 1 MiB, and as what
/// archives in it unpack to, up to 32 MiB. Time is linear in that, and in up to 256 MiB that archives unpack to.
pub fn views<'x>(octets: &'x [u8], message: &Message<'x>) -> Views<'x> {
    views_within(octets, message, &Limits::default())
}

/// The same for a scanner that takes other sizes.
pub fn views_within<'x>(octets: &'x [u8], message: &Message<'x>, limits: &Limits) -> Views<'x> {
    readings::Readings::of(octets, message, limits)
}

/// What an S/MIME signature (RFC 5652) holds and signs; nothing where it stands beside what it signs.
pub fn signed_content(octets: &[u8]) -> Vec<Vec<u8>> {
    carve::signed_content(octets)
}

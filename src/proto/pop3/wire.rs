use std::collections::VecDeque;

use super::body::{Body, Piece};
use super::command::Command;
use super::fault::{Fault, Waiting, excerpt};
use super::line::{self, Ending};
use super::reply::Reply;

/// What the server may send at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub status_line_octets: usize,
    pub listing_line_octets: usize,
    pub capability_lines: u64,
    pub capability_octets: u64,
    /// Each line becomes something in memory: without a limit a hostile server fills it.
    pub listing_lines: u64,
    pub listing_octets: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            status_line_octets: 8 << 10,
            listing_line_octets: 4 << 10,
            capability_lines: 100,
            capability_octets: 16 << 10,
            listing_lines: 2_000_000,
            listing_octets: 256 << 20,
        }
    }
}

impl Limits {
    /// What a reader must be able to hold: no line that is still incomplete is longer.
    pub const fn line_octets(&self) -> usize {
        if self.status_line_octets > self.listing_line_octets {
            self.status_line_octets
        } else {
            self.listing_line_octets
        }
    }
}

/// Replies come in the order of the commands.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'i> {
    /// The greeting, the answer to a one-line command, or the -ERR to any other.
    Status(Reply),
    /// `+ …` during AUTH: what follows the blank, still in base64.
    Challenge(&'i [u8]),
    /// +OK, and lines or a message follow.
    Begun,
    /// One line of a listing.
    Line(&'i [u8]),
    /// No more lines.
    LinesEnd,
    /// Octets of a message, dot-stuffing undone.
    Chunk(&'i [u8]),
    /// The message is whole. `lone_dots` counts lines on which the server forgot dot-stuffing.
    BodyEnd { octets: u64, lone_dots: u64 },
    /// The message went past its limit. It was read to the end, so that the next reply is the next one.
    TooLarge { octets: u64 },
}

/// Commands out, replies in, kept in step (RFC 1939, pipelining RFC 2449 section 6.6).
///
/// After a [`Fault`] every further call gives the same fault.
#[derive(Debug)]
pub struct Wire {
    limits: Limits,
    ending: Option<Ending>,
    output: Vec<u8>,
    expected: VecDeque<Expect>,
    reading: Reading,
    fault: Option<Fault>,
}

/// What answers one command.
#[derive(Clone, Copy, Debug)]
enum Expect {
    Status,
    Login,
    Listing(Budget),
    Body { max_bytes: u64 },
}

/// What a listing may take, and what is left of it.
#[derive(Clone, Copy, Debug)]
struct Budget {
    command: &'static str,
    limit: (u64, u64),
    lines: u64,
    octets: u64,
}

#[derive(Debug)]
enum Reading {
    Status,
    Listing(Budget),
    Body { body: Body, max_bytes: u64 },
}

impl Wire {
    /// A new connection: the server speaks first.
    pub fn greeted(limits: Limits) -> Self {
        let mut wire = Self::secured(limits);
        wire.expected.push_back(Expect::Status);
        wire
    }

    /// After STLS: no greeting, and nothing learnt in the clear is remembered, not even how lines end.
    pub fn secured(limits: Limits) -> Self {
        Self {
            limits,
            ending: None,
            output: Vec::new(),
            expected: VecDeque::new(),
            reading: Reading::Status,
            fault: None,
        }
    }

    /// Queues a command: its octets for [`Self::take_output`], its reply for [`Self::next`].
    pub fn send(&mut self, command: &Command) {
        command.write_to(&mut self.output);
        self.expected.push_back(match command {
            Command::Capa => {
                Expect::Listing(Budget::new("CAPA", self.limits.capability_lines, self.limits.capability_octets))
            }
            Command::Uidl => {
                Expect::Listing(Budget::new("UIDL", self.limits.listing_lines, self.limits.listing_octets))
            }
            Command::List => {
                Expect::Listing(Budget::new("LIST", self.limits.listing_lines, self.limits.listing_octets))
            }
            Command::Auth { .. } | Command::Response(_) => Expect::Login,
            Command::Retr { max_bytes, .. } | Command::Top { max_bytes, .. } => Expect::Body { max_bytes: *max_bytes },
            Command::Stls
            | Command::User(_)
            | Command::Pass(_)
            | Command::Apop { .. }
            | Command::Rpop(_)
            | Command::Utf8
            | Command::Dele(_)
            | Command::Quit => Expect::Status,
        });
    }

    /// What is to be written, all queued commands in one piece.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Whether every command has its whole answer.
    pub fn is_idle(&self) -> bool {
        self.expected.is_empty()
    }

    /// Commands that have not their whole answer yet.
    pub fn outstanding(&self) -> usize {
        self.expected.len()
    }

    /// The caller found out that the dialog is out of step.
    pub fn give_up(&mut self, fault: Fault) -> Fault {
        self.fault.get_or_insert(fault).clone()
    }

    /// The next event from the front of `input`. `None`: more octets are needed; what is left in `input` (never more
    /// than [`Limits::line_octets`]) must be given again with what follows it.
    pub fn next<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Event<'i>>, Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let event = self.read(input);
        if let Err(fault) = &event {
            self.fault = Some(fault.clone());
        }
        event
    }

    /// The stream ended: a fault wherever it happens, because a server says +OK to QUIT first.
    pub fn end_of_input(&mut self) -> Fault {
        let waiting = match self.reading {
            Reading::Listing(_) => Waiting::Listing,
            Reading::Body { .. } => Waiting::Body,
            Reading::Status if self.is_idle() => Waiting::Nothing,
            Reading::Status => Waiting::Reply,
        };
        self.fault.get_or_insert(Fault::Closed(waiting)).clone()
    }

    fn read<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Event<'i>>, Fault> {
        let Some(&expect) = self.expected.front() else {
            return if input.is_empty() { Ok(None) } else { Err(Fault::Unasked(excerpt(input))) };
        };
        match &mut self.reading {
            Reading::Status => self.read_status(expect, input),
            Reading::Listing(budget) => {
                let Some(line) = line::take(input, &mut self.ending, self.limits.listing_line_octets)? else {
                    return Ok(None);
                };
                if line == b"." {
                    return Ok(Some(self.answered(Event::LinesEnd)));
                }
                budget.spend(line)?;
                Ok(Some(Event::Line(if line.starts_with(b"..") { &line[1..] } else { line })))
            }
            Reading::Body { body, max_bytes } => {
                let max_bytes = *max_bytes;
                match read_body(body, max_bytes, input)? {
                    None => Ok(None),
                    Some(Piece::Text(text)) => Ok(Some(Event::Chunk(text))),
                    Some(Piece::End) => {
                        let (octets, lone_dots) = (body.octets(), body.lone_dots());
                        let too_large = octets > max_bytes;
                        let end =
                            if too_large { Event::TooLarge { octets } } else { Event::BodyEnd { octets, lone_dots } };
                        Ok(Some(self.answered(end)))
                    }
                }
            }
        }
    }

    fn read_status<'i>(&mut self, expect: Expect, input: &mut &'i [u8]) -> Result<Option<Event<'i>>, Fault> {
        let line = line::take_status(input, &mut self.ending, self.limits.status_line_octets)?;
        let Some(line) = line else { return Ok(None) };
        if let (Expect::Login, Some(challenge)) = (expect, challenge(line)) {
            return Ok(Some(self.answered(Event::Challenge(challenge))));
        }
        let reply = Reply::parse(line).ok_or_else(|| Fault::NotAStatus(excerpt(line)))?;
        self.reading = match expect {
            Expect::Listing(budget) if reply.is_ok() => Reading::Listing(budget),
            Expect::Body { max_bytes } if reply.is_ok() => {
                let ending = self.ending.unwrap_or(Ending::CrLf);
                Reading::Body { body: Body::new(ending), max_bytes }
            }
            _ => return Ok(Some(self.answered(Event::Status(reply)))),
        };
        Ok(Some(Event::Begun))
    }

    fn answered<'i>(&mut self, last: Event<'i>) -> Event<'i> {
        self.expected.pop_front();
        self.reading = Reading::Status;
        last
    }
}

impl Budget {
    const fn new(command: &'static str, lines: u64, octets: u64) -> Self {
        Self { command, limit: (lines, octets), lines, octets }
    }

    fn spend(&mut self, line: &[u8]) -> Result<(), Fault> {
        let left = (self.lines.checked_sub(1), self.octets.checked_sub(line.len() as u64 + 2));
        let (Some(lines), Some(octets)) = left else {
            let (limit_lines, limit_octets) = self.limit;
            return Err(Fault::ListingTooLong { command: self.command, limit_lines, limit_octets });
        };
        (self.lines, self.octets) = (lines, octets);
        Ok(())
    }
}

/// Text within the limit, or the end. What is past the limit is swallowed, up to twice the limit.
fn read_body<'i>(body: &mut Body, max_bytes: u64, input: &mut &'i [u8]) -> Result<Option<Piece<'i>>, Fault> {
    while let Some(piece) = body.next(input) {
        if body.octets() > max_bytes.saturating_mul(2) {
            return Err(Fault::BodyTooLong { limit_octets: max_bytes });
        }
        if matches!(piece, Piece::End) || body.octets() <= max_bytes {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

/// `+`, `+ ` and `+ text` (RFC 5034 section 4).
fn challenge(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"+")?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b" ") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chatter() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"+OK\r\n".to_vec()),
            Just(b"-ERR [AUTH] no\r\n".to_vec()),
            Just(b"+ \r\n".to_vec()),
            Just(b".\r\n".to_vec()),
            Just(b".\r".to_vec()),
            Just(b"\n".to_vec()),
            prop::collection::vec(any::<u8>(), 0..12),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    /// What happens when `octets` come `cut` at a time, chunks put together.
    fn replay(octets: &[u8], cut: usize) -> (Vec<String>, Vec<u8>) {
        let limits =
            Limits { status_line_octets: 24, listing_line_octets: 16, capability_lines: 4, ..Limits::default() };
        let mut wire = Wire::greeted(limits);
        for command in [Command::Capa, Command::Retr { number: 1, max_bytes: 40 }, Command::Uidl, Command::Quit] {
            wire.send(&command);
        }
        let (mut events, mut body, mut taken) = (Vec::new(), Vec::new(), 0);
        for arrived in (cut..octets.len() + cut).step_by(cut).map(|end| end.min(octets.len())) {
            let mut input = &octets[taken..arrived];
            loop {
                match wire.next(&mut input) {
                    Ok(Some(Event::Chunk(text))) => body.extend_from_slice(text),
                    Ok(Some(event)) => events.push(format!("{event:?}")),
                    Ok(None) => break,
                    Err(fault) => {
                        events.push(format!("{:?}", std::mem::discriminant(&fault)));
                        return (events, body);
                    }
                }
            }
            assert!(input.len() <= limits.line_octets() + 1, "holds {} octets back", input.len());
            taken = arrived - input.len();
        }
        (events, body)
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic_and_no_cut_changes_what_happens(octets in chatter(), cut in 1usize..40) {
            let octets = [b"+OK hello\r\n".as_slice(), &octets].concat();
            let (whole, _) = replay(&octets, octets.len());
            let (pieces, _) = replay(&octets, cut);
            prop_assert_eq!(whole, pieces);
        }
    }
}

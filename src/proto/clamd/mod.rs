//! clamd's socket protocol from the client's side: one session in which many scans are asked for and answered.
//! Knows nothing about sockets, deadlines, or what an answer means for the mail (clamd(8), section COMMANDS).

mod reply;

use std::collections::BTreeMap;

pub use reply::{Answer, Reply, Said, Version};

/// Opens a session; sent once, before everything else.
pub const OPEN: &[u8] = b"zIDSESSION\0";

/// The chunk of length zero that ends a stream.
pub const END: [u8; 4] = [0; 4];

/// Octets of one chunk of a stream. The driver sends `header(chunk)`, then the chunk.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Longer replies are not clamd's.
const REPLY_BYTES: usize = 4096;

/// Why the session is over. What was asked and not answered is not known to be anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("clamd closed the connection without an answer; it may have been stopped while it scanned")]
    Closed,
    #[error("clamd closed the connection in the middle of the answer \"{0}\"")]
    Cut(String),
    #[error("clamd waited too long for the message (its CommandReadTimeout) and closed the connection")]
    TimedOut,
    #[error("clamd ended the session: {0}")]
    Refused(String),
    #[error("clamd gave an empty answer; check that the address is clamd's")]
    Empty,
    #[error("clamd answered \"{0}\", which is not in its protocol; check that the address is clamd's")]
    Garbage(String),
    #[error("clamd answered number {0}, which was not asked; check that the address is clamd's")]
    WrongId(u32),
    #[error("clamd's answer is longer than {REPLY_BYTES} bytes; check that the address is clamd's")]
    TooLong,
}

impl Error {
    /// Whether the same question on a new connection may be answered.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Closed | Self::Cut(_) | Self::TimedOut | Self::Refused(_))
    }
}

/// What was asked under a number, and so which answers are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Scan,
    Version,
    Ping,
}

/// The client's half of an IDSESSION. clamd numbers the commands from 1 in the order they come, and answers in any.
#[derive(Debug, Default)]
pub struct Session {
    asked: u32,
    open: BTreeMap<u32, Asked>,
    input: Vec<u8>,
}

impl Session {
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a scan: its number, and the command to send before the chunks.
    pub fn scan(&mut self) -> (u32, &'static [u8]) {
        (self.ask(Asked::Scan), b"zINSTREAM\0")
    }

    pub fn version(&mut self) -> (u32, &'static [u8]) {
        (self.ask(Asked::Version), b"zVERSION\0")
    }

    pub fn ping(&mut self) -> (u32, &'static [u8]) {
        (self.ask(Asked::Ping), b"zPING\0")
    }

    /// Takes in what clamd sent, cut anywhere.
    pub fn feed(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
    }

    /// The next whole reply, or `None` if more octets are needed. After an error the session is over.
    pub fn reply(&mut self) -> Result<Option<Reply>, Error> {
        let Some(end) = self.input.iter().position(|octet| *octet == 0) else { return self.unfinished() };
        if end > REPLY_BYTES {
            return Err(Error::TooLong);
        }
        let line: Vec<u8> = self.input.drain(..=end).take(end).collect();
        let (id, text) = reply::numbered(&line)?;
        let asked = self.open.remove(&id).ok_or(Error::WrongId(id))?;
        let said = match asked {
            Asked::Scan => Said::Scan(reply::scan(text)?),
            Asked::Version => Said::Version(reply::version(text)?),
            Asked::Ping => reply::pong(text)?,
        };
        Ok(Some(Reply { id, said }))
    }

    /// What it means that clamd closed the connection now.
    pub fn closed(&self) -> Error {
        if self.input.is_empty() { Error::Closed } else { Error::Cut(reply::shown(&self.input)) }
    }

    fn ask(&mut self, what: Asked) -> u32 {
        self.asked += 1;
        self.open.insert(self.asked, what);
        self.asked
    }

    /// A read timeout is the one message that ends with a newline instead of NUL.
    fn unfinished(&self) -> Result<Option<Reply>, Error> {
        if self.input.ends_with(b"COMMAND READ TIMED OUT\n") {
            Err(Error::TimedOut)
        } else if self.input.len() > REPLY_BYTES {
            Err(Error::TooLong)
        } else {
            Ok(None)
        }
    }
}

/// What goes before a chunk: its length, big-endian. A chunk is never empty: that would end the stream.
pub fn header(chunk: &[u8]) -> [u8; 4] {
    debug_assert!(!chunk.is_empty() && chunk.len() <= CHUNK_BYTES);
    u32::try_from(chunk.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests;

//! clamd's socket protocol from the client's side: one session in which many scans are asked for and answered.
//! Knows nothing about sockets, deadlines, or what an answer means for the mail (clamd(8), section COMMANDS).

mod reply;

use std::collections::BTreeMap;

pub use reply::{Answer, Reply, Said, Version, built};

/// Opens a session; sent once, before everything else.
pub const OPEN: &[u8] = b"zIDSESSION\0";

/// The chunk of length zero that ends a stream.
pub const END: [u8; 4] = [0; 4];

/// Octets of one chunk of a stream. The driver sends `header(chunk)`, then the chunk.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Longer replies are not clamd's.
const REPLY_BYTES: usize = 4096;

const TIMED_OUT: &[u8] = b"COMMAND READ TIMED OUT\n";

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
    #[error("clamd ended the session because another message was longer than its StreamMaxLength")]
    Limited,
    #[error("clamd gave an empty answer; check that the address is clamd's")]
    Empty,
    #[error("clamd answered \"{0}\", which is not in its protocol; check that the address is clamd's")]
    Garbage(String),
    #[error("clamd answered number {0}, which was not asked; check that the address is clamd's")]
    WrongId(u32),
    #[error("clamd answered number {0} before it had the whole message; check that the address is clamd's")]
    Early(u32),
    #[error("clamd's answer is longer than {REPLY_BYTES} bytes; check that the address is clamd's")]
    TooLong,
}

impl Error {
    /// Whether the same question on a new connection may be answered.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Closed | Self::Cut(_) | Self::TimedOut | Self::Refused(_) | Self::Limited)
    }
}

/// What was asked under a number, and so which answers are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Not all of it has been sent: it can be too large, nothing else.
    Unfinished,
    Instream,
    Fildes,
    Version,
    Ping,
}

/// The client's half of an IDSESSION. clamd numbers the commands from 1 in the order they come, and answers in any.
#[derive(Debug, Default)]
pub struct Session {
    asked: u32,
    open: BTreeMap<u32, Asked>,
    input: Vec<u8>,
    over: Option<Error>,
}

impl Session {
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the scan of a stream: its number, and the command to send before the chunks. When nothing but the end of
    /// the stream is left to send, [`Self::sent`] must be told.
    pub fn instream(&mut self) -> (u32, &'static [u8]) {
        (self.ask(Asked::Unfinished), b"zINSTREAM\0")
    }

    /// Asks for the scan of an open file: its number, and the command. The command's last octet carries the descriptor,
    /// and all of it goes out in one call: clamd wants both at once. Not in a session with streams: clamd may take the
    /// descriptor for one that belongs to no command.
    pub fn fildes(&mut self) -> (u32, &'static [u8]) {
        (self.ask(Asked::Fildes), b"zFILDES\0\0")
    }

    pub fn version(&mut self) -> (u32, &'static [u8]) {
        (self.ask(Asked::Version), b"zVERSION\0")
    }

    pub fn ping(&mut self) -> (u32, &'static [u8]) {
        (self.ask(Asked::Ping), b"zPING\0")
    }

    /// The whole stream is sent but for its end, so from now on it may be answered.
    pub fn sent(&mut self, id: u32) {
        if let Some(asked @ Asked::Unfinished) = self.open.get_mut(&id) {
            *asked = Asked::Instream;
        }
    }

    /// Takes in what clamd sent, cut anywhere.
    pub fn feed(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
    }

    /// The next whole reply, or `None` if more octets are needed. After an error the session is over, and the error stays.
    pub fn reply(&mut self) -> Result<Option<Reply>, Error> {
        if let Some(error) = &self.over {
            return Err(error.clone());
        }
        let next = self.next();
        self.over = match &next {
            Err(error) => Some(error.clone()),
            Ok(Some(Reply { said: Said::Scan(Answer::TooLarge), .. })) => Some(Error::Limited),
            Ok(_) => None,
        };
        next
    }

    /// What it means that clamd closed the connection now.
    pub fn closed(&self) -> Error {
        match &self.over {
            Some(error) => error.clone(),
            None if self.input.is_empty() => Error::Closed,
            None => Error::Cut(reply::shown(&self.input)),
        }
    }

    fn next(&mut self) -> Result<Option<Reply>, Error> {
        let end = self.input.iter().position(|octet| *octet == 0);
        let line = &self.input[..end.unwrap_or(self.input.len()).min(REPLY_BYTES)];
        // The one message that ends with a newline instead of NUL.
        if line.windows(TIMED_OUT.len()).any(|octets| octets == TIMED_OUT) {
            return Err(Error::TimedOut);
        }
        if end.unwrap_or(self.input.len()) > REPLY_BYTES {
            return Err(Error::TooLong);
        }
        let Some(end) = end else { return Ok(None) };
        let (id, text) = reply::numbered(line)?;
        let asked = self.open.remove(&id).ok_or(Error::WrongId(id))?;
        let said = read(id, asked, text)?;
        self.input.drain(..=end);
        Ok(Some(Reply { id, said }))
    }

    fn ask(&mut self, what: Asked) -> u32 {
        self.asked += 1;
        self.open.insert(self.asked, what);
        self.asked
    }
}

fn read(id: u32, asked: Asked, text: &[u8]) -> Result<Said, Error> {
    Ok(match asked {
        Asked::Instream => Said::Scan(reply::stream(text)?),
        Asked::Fildes => Said::Scan(reply::file(text)?),
        Asked::Version => Said::Version(reply::version(text)?),
        Asked::Ping => reply::pong(text)?,
        Asked::Unfinished => match reply::stream(text)? {
            Answer::TooLarge => Said::Scan(Answer::TooLarge),
            _ => return Err(Error::Early(id)),
        },
    })
}

/// What goes before a chunk: its length, big-endian. A chunk is never empty: that would end the stream.
pub fn header(chunk: &[u8]) -> [u8; 4] {
    debug_assert!(!chunk.is_empty() && chunk.len() <= CHUNK_BYTES);
    u32::try_from(chunk.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests;

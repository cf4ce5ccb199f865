//! The grammar of what clamd says. Exactly one text means that nothing was found.

use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::Error;
use crate::mail::Timestamp;

/// Longer signature names and messages are cut.
const SHOWN_BYTES: usize = 256;

/// One reply and the number of the command it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub id: u32,
    pub said: Said,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Scan(Answer),
    Version(Version),
    Pong,
}

/// What clamd says of the octets it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Ok,
    /// The signature's name: printable ASCII, at most 256 bytes.
    Found(String),
    /// The scan failed, and why; the session goes on.
    Error(String),
    /// Longer than clamd's StreamMaxLength. clamd ends the session after it, other scans in it are not answered.
    TooLarge,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// For example `ClamAV 1.4.6`.
    pub engine: String,
    /// Number and build time of the daily database, `27800 Fri Nov 20 08:26:31 2026`; `None` where clamd runs without
    /// the official one.
    pub signatures: Option<String>,
}

/// When signatures were built that clamd names so (see [`Version::signatures`]): to the day, since clamd gives the time of
/// where it runs.
pub fn built(signatures: &str) -> Option<Timestamp> {
    let (_number, date) = signatures.split_once(' ')?;
    let date = strtime::parse("%a %b %e %H:%M:%S %Y", date).and_then(|date| date.to_datetime()).ok()?;
    Some(Timestamp::from_millis(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond()))
}

/// Takes `N: ` off a reply. What clamd says without a number ends the session.
pub(super) fn numbered(line: &[u8]) -> Result<(u32, &[u8]), Error> {
    if line.is_empty() {
        return Err(Error::Empty);
    }
    let split = line.windows(2).position(|pair| pair == b": ");
    let numbered = split.and_then(|at| Some((number(&line[..at])?, &line[at + 2..])));
    numbered.ok_or_else(|| unexpected(line))
}

/// What is said of a stream: `stream: ` and the outcome, or the size limit.
pub(super) fn stream(text: &[u8]) -> Result<Answer, Error> {
    if text == b"INSTREAM size limit exceeded. ERROR" {
        return Ok(Answer::TooLarge);
    }
    let said = text.strip_prefix(b"stream: ").ok_or_else(|| unexpected(text))?;
    outcome(said).ok_or_else(|| unexpected(text))
}

/// What is said of an open file: `fd[`, the number it has in clamd, `]: ` and the outcome.
pub(super) fn file(text: &[u8]) -> Result<Answer, Error> {
    let said = text.strip_prefix(b"fd[").and_then(|rest| {
        let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
        rest[digits..].strip_prefix(b"]: ").filter(|_| digits > 0)
    });
    said.and_then(outcome).ok_or_else(|| unexpected(text))
}

/// `OK`, `NAME FOUND`, or `CAUSE ERROR`. Where a line ends within, answers have run together: whose is which is unknown.
fn outcome(said: &[u8]) -> Option<Answer> {
    if said == b"OK" {
        Some(Answer::Ok)
    } else if said.contains(&b'\n') {
        None
    } else if let Some(name) = said.strip_suffix(b" FOUND").filter(|name| !name.is_empty()) {
        Some(Answer::Found(shown(name)))
    } else {
        said.strip_suffix(b" ERROR").map(|cause| Answer::Error(shown(cause)))
    }
}

/// `ClamAV 1.4.6/27800/Fri Nov 20 08:26:31 2026`, or the first part alone.
pub(super) fn version(text: &[u8]) -> Result<Version, Error> {
    if !text.starts_with(b"ClamAV ") {
        return Err(unexpected(text));
    }
    let text = shown(text);
    let mut fields = text.splitn(3, '/');
    let engine = fields.next().unwrap_or_default().to_owned();
    let given: Vec<&str> = fields.filter(|field| !field.is_empty()).collect();
    Ok(Version { engine, signatures: (!given.is_empty()).then(|| given.join(" ")) })
}

pub(super) fn pong(text: &[u8]) -> Result<Said, Error> {
    if text == b"PONG" { Ok(Said::Pong) } else { Err(unexpected(text)) }
}

/// Foreign bytes made fit for a log line or a screen.
pub(super) fn shown(octets: &[u8]) -> String {
    let printable = |octet: &u8| if matches!(octet, b' '..=b'~') { char::from(*octet) } else { '?' };
    octets.iter().take(SHOWN_BYTES).map(printable).collect()
}

/// A decimal number as clamd prints it: no sign, no leading zero.
fn number(digits: &[u8]) -> Option<u32> {
    let plain = digits.iter().all(u8::is_ascii_digit) && !digits.starts_with(b"0");
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

fn unexpected(text: &[u8]) -> Error {
    if text.starts_with(b"COMMAND READ TIMED OUT") {
        Error::TimedOut
    } else if text.ends_with(b" ERROR") || text == b"UNKNOWN COMMAND" || text == b"COMMAND UNAVAILABLE" {
        Error::Refused(shown(text))
    } else {
        Error::Garbage(shown(text))
    }
}

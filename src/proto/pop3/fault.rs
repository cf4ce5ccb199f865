/// The dialog cannot go on. What the next reply would belong to is unknown, so the connection is closed without
/// QUIT: nothing is deleted on the server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the server closed the connection while {0}")]
    Closed(Waiting),
    #[error("the server answered {0:?}, which is neither +OK nor -ERR")]
    NotAStatus(String),
    #[error("the server sent {0:?} although nothing was asked")]
    Unasked(String),
    #[error("something came between the server's +OK to STLS and the TLS handshake: somebody may be in the line")]
    Injected,
    #[error("a line of the server ends in a bare LF although its first one ended in CR LF: {0:?}")]
    BareLf(String),
    #[error("a line of the server is longer than {limit_octets} octets")]
    LineTooLong { limit_octets: usize },
    #[error("the server's answer to {command} is longer than {limit_lines} lines or {limit_octets} octets")]
    ListingTooLong { command: &'static str, limit_lines: u64, limit_octets: u64 },
    #[error("what came as one message has another size than was listed, and a reply inside: answers ran together")]
    RunTogether,
    #[error("a message is more than twice as large as allowed ({limit_octets} octets) and does not end")]
    BodyTooLong { limit_octets: u64 },
}

/// What was awaited when the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    Nothing,
    Reply,
    Listing,
    Body,
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing was asked",
            Self::Reply => "a reply was awaited",
            Self::Listing => "it was sending a listing",
            Self::Body => "it was sending a message",
        })
    }
}

/// The start of what the server sent, fit for an error message.
pub(super) fn excerpt(octets: &[u8]) -> String {
    const SHOWN: usize = 60;
    let line = octets.split(|&octet| octet == b'\n').next().unwrap_or_default();
    printable(&line[..line.len().min(SHOWN)])
}

/// Text of the server without the control characters that would reach a terminal or a log.
pub(super) fn printable(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    text.trim_end().chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

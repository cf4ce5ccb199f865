use std::fmt;

use super::fault::printable;

/// A status line: `+OK text` or `-ERR [CODE] text` (RFC 1939 section 3, codes RFC 2449 section 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: Status,
    pub code: Option<Code>,
    /// What follows the code, without control characters: fit for a screen, not for a protocol.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok,
    Err,
}

/// Why the server refused, as RFC 2449 and RFC 3206 name it. Read whether or not RESP-CODES was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// The user name or password is wrong, or the account may not log in.
    Auth,
    /// Another session holds the maildrop.
    InUse,
    /// The last login was too short a time ago.
    LoginDelay,
    /// Trouble of the server that will pass.
    SysTemp,
    /// Trouble of the server that needs a person.
    SysPerm,
    Other(String),
}

impl Reply {
    /// `None`: neither `+OK` nor `-ERR`.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let (status, rest) = if let Some(rest) = strip_word(line, b"+OK") {
            (Status::Ok, rest)
        } else {
            (Status::Err, strip_word(line, b"-ERR")?)
        };
        let (code, text) = take_code(rest.trim_ascii());
        Some(Self { status, code, text: printable(text) })
    }

    pub fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_ok() { "+OK" } else { "-ERR" })?;
        if let Some(code) = &self.code {
            write!(f, " [{code}]")?;
        }
        if !self.text.is_empty() {
            write!(f, " {}", self.text)?;
        }
        Ok(())
    }
}

impl Code {
    fn parse(word: &str) -> Self {
        match word.to_ascii_uppercase().as_str() {
            "AUTH" => Self::Auth,
            "IN-USE" => Self::InUse,
            "LOGIN-DELAY" => Self::LoginDelay,
            "SYS/TEMP" => Self::SysTemp,
            "SYS/PERM" => Self::SysPerm,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auth => "AUTH",
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Other(code) => code,
        })
    }
}

fn strip_word<'a>(line: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = line.split_at_checked(word.len())?;
    let whole = rest.first().is_none_or(|next| !next.is_ascii_alphanumeric());
    (head.eq_ignore_ascii_case(word) && whole).then_some(rest)
}

/// A code is `[` printable octets without brackets `]` at the front of the text.
fn take_code(text: &[u8]) -> (Option<Code>, &[u8]) {
    let code = text.strip_prefix(b"[").and_then(|rest| {
        let end = memchr::memchr(b']', rest)?;
        let word = std::str::from_utf8(&rest[..end]).ok()?;
        let plausible = !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'[');
        plausible.then(|| (Code::parse(word), rest[end + 1..].trim_ascii_start()))
    });
    match code {
        Some((code, rest)) => (Some(code), rest),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_in_any_case_and_only_at_the_front() {
        let code = |line: &str| Reply::parse(line.as_bytes()).and_then(|reply| reply.code);
        assert_eq!(code("-ERR [in-use] locked"), Some(Code::InUse));
        assert_eq!(code("-ERR [SYS/TEMP] later"), Some(Code::SysTemp));
        assert_eq!(code("-ERR[AUTH] no"), Some(Code::Auth));
        assert_eq!(code("-ERR [X-NEW] what"), Some(Code::Other("X-NEW".into())));
        assert_eq!(code("-ERR no [AUTH] here"), None);
        assert_eq!(code("-ERR [not a code] text"), None);
        assert_eq!(code("-ERR [AUTH"), None);
    }

    #[test]
    fn a_status_is_a_whole_word() {
        assert!(Reply::parse(b"+OK").is_some_and(|reply| reply.is_ok()));
        assert!(Reply::parse(b"+OKAY").is_none());
        assert!(Reply::parse(b"+O").is_none());
        assert!(Reply::parse(b"").is_none());
        assert!(Reply::parse(b"HTTP/1.1 400 Bad Request").is_none());
    }

    #[test]
    fn control_characters_do_not_reach_the_screen() {
        let reply = Reply::parse(b"-ERR \x1b[31mred\x07").unwrap();
        assert_eq!(reply.text, "\u{fffd}[31mred\u{fffd}");
    }
}

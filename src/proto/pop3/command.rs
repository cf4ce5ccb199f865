use std::fmt;

use crate::mail::Secret;

/// What the client says. Prints as in a transcript, without what must stay secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    Capa,
    Stls,
    User(String),
    Pass(Secret<String>),
    /// RFC 1939 section 7; the digest in hexadecimal.
    Apop {
        user: String,
        digest: Secret<String>,
    },
    /// RFC 1081: the server takes the client's host at its word.
    Rpop(String),
    /// RFC 6856: names and headers in UTF-8.
    Utf8,
    /// RFC 5034; `initial` in base64.
    Auth {
        mechanism: &'static str,
        initial: Option<Secret<String>>,
    },
    /// The answer to a SASL challenge, in base64.
    Response(Secret<String>),
    Uidl,
    List,
    /// `max_bytes` is not told to the server: a larger message is read to its end and given up.
    Retr {
        number: u32,
        max_bytes: u64,
    },
    /// TOP n 0: the header block alone, up to `max_bytes` as with RETR. Optional in RFC 1939 section 7.
    Top {
        number: u32,
        max_bytes: u64,
    },
    Dele(u32),
    Quit,
}

impl Command {
    /// Appends the line as it goes over the wire.
    pub(super) fn write_to(&self, wire: &mut Vec<u8>) {
        let secret = self.secret().map_or("", |secret| secret.reveal());
        wire.extend_from_slice(self.public_part().as_bytes());
        wire.extend_from_slice(secret.as_bytes());
        wire.extend_from_slice(b"\r\n");
    }

    const fn secret(&self) -> Option<&Secret<String>> {
        match self {
            Self::Pass(secret)
            | Self::Apop { digest: secret, .. }
            | Self::Response(secret)
            | Self::Auth { initial: Some(secret), .. } => Some(secret),
            _ => None,
        }
    }

    fn public_part(&self) -> String {
        match self {
            Self::Capa => "CAPA".to_owned(),
            Self::Stls => "STLS".to_owned(),
            Self::User(user) => format!("USER {user}"),
            Self::Pass(_) => "PASS ".to_owned(),
            Self::Apop { user, .. } => format!("APOP {user} "),
            Self::Rpop(user) => format!("RPOP {user}"),
            Self::Utf8 => "UTF8".to_owned(),
            Self::Auth { mechanism, initial: Some(_) } => format!("AUTH {mechanism} "),
            Self::Auth { mechanism, initial: None } => format!("AUTH {mechanism}"),
            Self::Response(_) => String::new(),
            Self::Uidl => "UIDL".to_owned(),
            Self::List => "LIST".to_owned(),
            Self::Retr { number, .. } => format!("RETR {number}"),
            Self::Top { number, .. } => format!("TOP {number} 0"),
            Self::Dele(number) => format!("DELE {number}"),
            Self::Quit => "QUIT".to_owned(),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public_part())?;
        self.secret().map_or(Ok(()), |secret| write!(f, "{secret}"))
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_to_the_wire_and_nowhere_else() {
        let secret = || Secret::new("s3kr1t".to_owned());
        let said = [
            (Command::Pass(secret()), "PASS <redacted>", "PASS s3kr1t\r\n"),
            (
                Command::Auth { mechanism: "PLAIN", initial: Some(secret()) },
                "AUTH PLAIN <redacted>",
                "AUTH PLAIN s3kr1t\r\n",
            ),
            (Command::Apop { user: "me".into(), digest: secret() }, "APOP me <redacted>", "APOP me s3kr1t\r\n"),
            (Command::Response(secret()), "<redacted>", "s3kr1t\r\n"),
            (Command::Retr { number: 7, max_bytes: 1 }, "RETR 7", "RETR 7\r\n"),
        ];
        for (command, shown, sent) in said {
            let mut wire = Vec::new();
            command.write_to(&mut wire);
            assert_eq!(wire, sent.as_bytes());
            assert_eq!((command.to_string(), format!("{command:?}")), (shown.to_owned(), shown.to_owned()));
        }
    }
}

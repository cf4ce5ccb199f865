//! SASL mechanisms over POP3 (RFC 5034), one file each: challenge in, response out.
//! Knows nothing about lines, or which mechanism is wise.

mod plain;

use crate::mail::Secret;

/// A running exchange.
#[derive(Debug)]
pub(super) enum Exchange {
    Plain(plain::Plain),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    #[error("the server asks for more than {0} has to say")]
    TooManyChallenges(&'static str),
}

impl Exchange {
    pub(super) fn plain(user: &str, password: &Secret<String>) -> Self {
        Self::Plain(plain::Plain::new(user, password))
    }

    pub(super) const fn mechanism(&self) -> &'static str {
        match self {
            Self::Plain(_) => plain::NAME,
        }
    }

    /// What a client that speaks first says first.
    pub(super) fn initial(&self) -> Option<Secret<Vec<u8>>> {
        match self {
            Self::Plain(plain) => Some(plain.message()),
        }
    }

    /// `challenge` is the text behind `+ ` as it came: base64, or with PLAIN whatever the server says to people.
    pub(super) fn step(&mut self, _challenge: &[u8]) -> Result<Secret<Vec<u8>>, SaslError> {
        match self {
            Self::Plain(plain) => plain.step(),
        }
    }
}

use super::SaslError;
use crate::proto::pop3::sasl::decode;

/// `r=nonce,s=salt,i=iterations`, with extensions behind it that nobody has to know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct First<'t> {
    pub(super) nonce: &'t str,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u64,
}

/// How the server ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Last {
    Signature(Vec<u8>),
    /// `e=`: it does not take the proof, and says -ERR next.
    Refusal,
}

impl<'t> First<'t> {
    /// `Err(None)`: not what it must be.
    pub(super) fn parse(text: &'t str) -> Result<Self, Option<SaslError>> {
        if text.starts_with("m=") {
            return Err(Some(SaslError::UnknownExtension));
        }
        let mut attributes = text.split(',');
        let mut value = |name: &str| attributes.next().and_then(|attribute| attribute.strip_prefix(name)).ok_or(None);
        let nonce = value("r=")?;
        let salt = value("s=")?;
        let iterations = value("i=")?;
        let salt = decode("SCRAM", salt.as_bytes()).ok().filter(|salt| !salt.is_empty()).ok_or(None)?;
        let digits = iterations.bytes().all(|digit| digit.is_ascii_digit());
        let iterations = iterations.parse().ok().filter(|_| digits).ok_or(None)?;
        Ok(Self { nonce, salt, iterations })
    }
}

impl Last {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let attribute = text.split(',').next()?;
        if attribute.starts_with("e=") {
            return Some(Self::Refusal);
        }
        decode("SCRAM", attribute.strip_prefix("v=")?.as_bytes()).ok().map(Self::Signature)
    }
}

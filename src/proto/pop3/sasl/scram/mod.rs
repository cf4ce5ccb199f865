//! SCRAM (RFC 5802, RFC 7677): both sides prove that they know the password, and neither shows it.
//! Knows nothing about where the channel binding comes from.

mod server;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::{Due, Hash, Mechanism, SaslError, decode};
use crate::mail::Secret;
use server::{First, Last};

/// Fewer are too easy to guess from (RFC 7677 section 4), more are an attack on this machine.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4_096..=1_000_000;

/// What only the two ends of this TLS connection know.
#[derive(Clone, PartialEq, Eq)]
pub enum ChannelBinding {
    /// RFC 9266, for TLS 1.3.
    TlsExporter(Vec<u8>),
    /// RFC 5929 section 4: a hash of the server's certificate.
    TlsServerEndPoint(Vec<u8>),
}

/// What is said about channel binding (RFC 5802 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proto::pop3) enum Binding {
    Bound(ChannelBinding),
    /// We could, and the server did not offer it: it fails if somebody took its offer away.
    NotOffered,
    Impossible,
}

#[derive(Debug)]
pub(in crate::proto::pop3) struct Scram {
    hash: Hash,
    binding: Binding,
    password: Secret<String>,
    nonce: String,
    /// `n=user,r=nonce`
    bare: String,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Waits for salt and iterations.
    First {
        asked_again: bool,
    },
    /// Waits for this signature.
    Last {
        signature: Secret<Vec<u8>>,
    },
    Verified,
    Refused,
}

impl Scram {
    pub(super) fn new(
        hash: Hash,
        user: &str,
        password: &Secret<String>,
        binding: Binding,
        nonce: &str,
    ) -> Result<Self, SaslError> {
        let user = prepare("user name", user)?.replace('=', "=3D").replace(',', "=2C");
        let password = Secret::new(prepare("password", password.reveal())?);
        let bare = format!("n={user},r={nonce}");
        Ok(Self { hash, binding, password, nonce: nonce.to_owned(), bare, stage: Stage::First { asked_again: false } })
    }

    fn message(&self) -> Secret<Vec<u8>> {
        Secret::new([self.binding.header().as_bytes(), self.bare.as_bytes()].concat())
    }

    fn prove(&mut self, challenge: &[u8]) -> Result<Secret<Vec<u8>>, SaslError> {
        let text = self.text(challenge)?;
        let first =
            First::parse(&text).map_err(|unreadable| unreadable.unwrap_or(SaslError::Unreadable(self.name())))?;
        if first.nonce.len() <= self.nonce.len() || !first.nonce.starts_with(&self.nonce) {
            return Err(SaslError::ForeignNonce);
        }
        let iterations = u32::try_from(first.iterations).ok().filter(|wanted| ITERATIONS.contains(wanted));
        let (least, most) = (*ITERATIONS.start(), *ITERATIONS.end());
        let iterations = iterations.ok_or(SaslError::Iterations { wanted: first.iterations, least, most })?;

        let channel = STANDARD.encode(self.binding.octets());
        let last = format!("c={channel},r={}", first.nonce);
        let spoken = format!("{},{text},{last}", self.bare);
        let salted = self.hash.stretch(self.password.reveal().as_bytes(), &first.salt, iterations);
        let client_key = self.hash.hmac(&salted, b"Client Key");
        let mask = self.hash.hmac(&self.hash.hash(&client_key), spoken.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(mask).map(|(key, mask)| key ^ mask).collect();
        let server_key = self.hash.hmac(&salted, b"Server Key");
        self.stage = Stage::Last { signature: Secret::new(self.hash.hmac(&server_key, spoken.as_bytes())) };
        Ok(Secret::new(format!("{last},p={}", STANDARD.encode(proof)).into_bytes()))
    }

    /// The proof that the server knows the password is acknowledged by an empty line, and so is its refusal.
    fn verify(&self, challenge: &[u8], signature: &[u8]) -> Result<Stage, SaslError> {
        match Last::parse(&self.text(challenge)?) {
            Some(Last::Signature(said)) if bool::from(said.ct_eq(signature)) => Ok(Stage::Verified),
            Some(Last::Signature(_)) => Err(SaslError::ForeignServer),
            Some(Last::Refusal) => Ok(Stage::Refused),
            None => Err(SaslError::Unreadable(self.name())),
        }
    }

    fn text(&self, challenge: &[u8]) -> Result<String, SaslError> {
        let octets = decode(self.name(), challenge)?;
        String::from_utf8(octets).map_err(|_| SaslError::Unreadable(self.name()))
    }
}

impl Mechanism for Scram {
    fn name(&self) -> &'static str {
        match (self.hash, &self.binding) {
            (Hash::Sha1, Binding::Bound(_)) => "SCRAM-SHA-1-PLUS",
            (Hash::Sha1, _) => "SCRAM-SHA-1",
            (Hash::Sha256, Binding::Bound(_)) => "SCRAM-SHA-256-PLUS",
            (Hash::Sha256, _) => "SCRAM-SHA-256",
        }
    }

    fn first(&mut self) -> Result<Option<Secret<Vec<u8>>>, SaslError> {
        Ok(Some(self.message()))
    }

    fn step(&mut self, challenge: &[u8]) -> Result<Secret<Vec<u8>>, SaslError> {
        match &mut self.stage {
            // A server that ignored the initial response may ask for it once.
            Stage::First { asked_again } if challenge.trim_ascii().is_empty() && !*asked_again => {
                *asked_again = true;
                Ok(self.message())
            }
            Stage::First { .. } => self.prove(challenge),
            Stage::Last { signature } => {
                let signature = signature.clone();
                self.stage = self.verify(challenge, signature.reveal())?;
                Ok(Secret::new(Vec::new()))
            }
            Stage::Verified | Stage::Refused => Err(SaslError::TooManyChallenges(self.name())),
        }
    }

    fn due(&self) -> Due {
        match self.stage {
            Stage::First { .. } => Due::Challenge,
            Stage::Last { .. } | Stage::Refused => Due::Proof,
            Stage::Verified => Due::Verdict,
        }
    }
}

impl ChannelBinding {
    const fn name(&self) -> &'static str {
        match self {
            Self::TlsExporter(_) => "tls-exporter",
            Self::TlsServerEndPoint(_) => "tls-server-end-point",
        }
    }
}

impl fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Binding {
    /// The GS2 header, without an authorization identity.
    fn header(&self) -> String {
        match self {
            Self::Bound(binding) => format!("p={},,", binding.name()),
            Self::NotOffered => "y,,".to_owned(),
            Self::Impossible => "n,,".to_owned(),
        }
    }

    fn octets(&self) -> Vec<u8> {
        let mut octets = self.header().into_bytes();
        if let Self::Bound(ChannelBinding::TlsExporter(data) | ChannelBinding::TlsServerEndPoint(data)) = self {
            octets.extend_from_slice(data);
        }
        octets
    }
}

/// SASLprep (RFC 4013). What is wrong is not told in detail: it would tell of the password.
pub(in crate::proto::pop3) fn prepare(what: &'static str, text: &str) -> Result<String, SaslError> {
    stringprep::saslprep(text).map(String::from).map_err(|_| SaslError::Unpreparable(what))
}

#[cfg(test)]
mod tests;

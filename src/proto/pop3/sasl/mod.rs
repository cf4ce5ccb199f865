//! SASL mechanisms over POP3 (RFC 5034), one file each: challenge in, response out.
//! Knows nothing about lines, or which mechanism is wise.

mod cram_md5;
mod error;
mod gssapi;
mod hash;
mod login;
mod message;
mod oauth;
mod scram;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};

pub use error::{SaslError, TokenRefusal};
pub use gssapi::{SecurityContext, SecurityContexts};
pub(super) use hash::{Hash, md5_hex};
pub use scram::ChannelBinding;
pub(super) use scram::{Binding, prepare};

use crate::mail::Secret;

/// What one mechanism says, and what it makes of what it hears.
trait Mechanism: fmt::Debug + Send {
    fn name(&self) -> &'static str;

    /// What a client that speaks first says first. Asked once, before all else.
    fn first(&mut self) -> Result<Option<Secret<Vec<u8>>>, SaslError> {
        Ok(None)
    }

    /// The answer to `challenge`, the text behind `+ ` as it came: base64, or where a mechanism has no challenges
    /// whatever the server says to people.
    fn step(&mut self, challenge: &[u8]) -> Result<Secret<Vec<u8>>, SaslError>;

    fn due(&self) -> Due;

    /// Whether what is said first may stand in the AUTH line itself.
    fn speaks_at_once(&self) -> bool {
        true
    }

    /// Why the server does not take the token, once it has told.
    fn refusal(&self) -> Option<TokenRefusal> {
        None
    }
}

/// What the server still owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A challenge: `+OK` in its place is one (Exchange 2003 says so).
    Challenge,
    /// The proof that it knows the password too: without it, `+OK` is worth nothing.
    Proof,
    /// Its word that we are in.
    Verdict,
}

/// A running exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    mechanism: Box<dyn Mechanism>,
    /// What is to be said first, as long as it was not.
    first: Option<Secret<Vec<u8>>>,
}

impl Exchange {
    pub(super) fn plain(user: &str, password: &Secret<String>) -> Result<Self, SaslError> {
        Self::begin(message::plain(user, password))
    }

    pub(super) fn external(user: &str) -> Result<Self, SaslError> {
        Self::begin(message::external(user))
    }

    pub(super) fn login(user: &str, password: &Secret<String>) -> Result<Self, SaslError> {
        Self::begin(login::Login::new(user, password))
    }

    pub(super) fn cram_md5(user: &str, password: &Secret<String>) -> Result<Self, SaslError> {
        Self::begin(cram_md5::CramMd5::new(user, password))
    }

    pub(super) fn scram(
        hash: Hash,
        user: &str,
        password: &Secret<String>,
        binding: Binding,
        nonce: &str,
    ) -> Result<Self, SaslError> {
        Self::begin(scram::Scram::new(hash, user, password, binding, nonce)?)
    }

    pub(super) fn oauthbearer(
        user: &str,
        token: &Secret<String>,
        server: Option<(&str, u16)>,
    ) -> Result<Self, SaslError> {
        Self::begin(oauth::Oauth::bearer(user, token, server))
    }

    pub(super) fn xoauth2(user: &str, token: &Secret<String>) -> Result<Self, SaslError> {
        Self::begin(oauth::Oauth::xoauth2(user, token))
    }

    pub(super) fn gssapi(user: &str, contexts: &SecurityContexts) -> Result<Self, SaslError> {
        Self::begin(gssapi::Gssapi::new(user, contexts)?)
    }

    fn begin(mut mechanism: impl Mechanism + 'static) -> Result<Self, SaslError> {
        let first = mechanism.first()?;
        Ok(Self { mechanism: Box::new(mechanism), first })
    }

    pub(super) fn mechanism(&self) -> &'static str {
        self.mechanism.name()
    }

    /// What is said first, in base64, if that takes at most `room` octets: the caller says it now.
    pub(super) fn initial(&mut self, room: usize) -> Option<Secret<String>> {
        let encoded = match self.first.as_ref()?.reveal().as_slice() {
            [] => "=".to_owned(),
            message => STANDARD.encode(message),
        };
        (encoded.len() <= room && self.mechanism.speaks_at_once()).then(|| {
            self.first = None;
            Secret::new(encoded)
        })
    }

    /// The answer to a challenge, in base64; empty for an empty one.
    pub(super) fn step(&mut self, challenge: &[u8]) -> Result<Secret<String>, SaslError> {
        let response = match self.first.take() {
            Some(first) => first,
            None => self.mechanism.step(challenge)?,
        };
        Ok(Secret::new(STANDARD.encode(response.reveal())))
    }

    pub(super) fn due(&self) -> Due {
        if self.first.is_some() { Due::Challenge } else { self.mechanism.due() }
    }

    pub(super) fn refusal(&self) -> Option<TokenRefusal> {
        self.mechanism.refusal()
    }
}

/// Base64 with or without its padding, and blanks around it.
fn decode(mechanism: &'static str, text: &[u8]) -> Result<Vec<u8>, SaslError> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    LENIENT.decode(text.trim_ascii()).map_err(|_| SaslError::NotBase64(mechanism))
}

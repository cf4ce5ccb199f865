use super::{Due, Mechanism, SaslError};
use crate::mail::Secret;

/// A mechanism with one message and no challenge: PLAIN (RFC 4616) and EXTERNAL (RFC 4422 appendix A).
#[derive(Debug)]
pub(super) struct Message {
    name: &'static str,
    octets: Secret<Vec<u8>>,
    asked_again: bool,
}

/// `NUL user NUL password`
pub(super) fn plain(user: &str, password: &Secret<String>) -> Message {
    let octets = [b"\0", user.as_bytes(), b"\0", password.reveal().as_bytes()].concat();
    Message { name: "PLAIN", octets: Secret::new(octets), asked_again: false }
}

/// Who wants in; TLS has shown who it is.
pub(super) fn external(user: &str) -> Message {
    Message { name: "EXTERNAL", octets: Secret::new(user.as_bytes().to_vec()), asked_again: false }
}

impl Mechanism for Message {
    fn name(&self) -> &'static str {
        self.name
    }

    fn first(&mut self) -> Result<Option<Secret<Vec<u8>>>, SaslError> {
        Ok(Some(self.octets.clone()))
    }

    /// A server that ignored the initial response may ask for it once.
    fn step(&mut self, _prose: &[u8]) -> Result<Secret<Vec<u8>>, SaslError> {
        if std::mem::replace(&mut self.asked_again, true) {
            return Err(SaslError::TooManyChallenges(self.name));
        }
        Ok(self.octets.clone())
    }

    fn due(&self) -> Due {
        Due::Verdict
    }
}

use super::SaslError;
use crate::mail::Secret;

pub(super) const NAME: &str = "PLAIN";

/// RFC 4616: `NUL user NUL password`, said once.
#[derive(Debug)]
pub(in crate::proto::pop3) struct Plain {
    message: Secret<Vec<u8>>,
    challenged: bool,
}

impl Plain {
    pub(super) fn new(user: &str, password: &Secret<String>) -> Self {
        let message = [b"\0", user.as_bytes(), b"\0", password.reveal().as_bytes()].concat();
        Self { message: Secret::new(message), challenged: false }
    }

    pub(super) fn message(&self) -> Secret<Vec<u8>> {
        self.message.clone()
    }

    /// The challenge is empty. A server that ignored the initial response may ask once.
    pub(super) fn step(&mut self) -> Result<Secret<Vec<u8>>, SaslError> {
        if std::mem::replace(&mut self.challenged, true) {
            return Err(SaslError::TooManyChallenges(NAME));
        }
        Ok(self.message())
    }
}

use super::hash::hmac_md5_hex;
use super::{Due, Mechanism, SaslError, decode};
use crate::mail::Secret;

const NAME: &str = "CRAM-MD5";

/// RFC 2195: `user HMAC-MD5(password, challenge)`.
#[derive(Debug)]
pub(super) struct CramMd5 {
    user: String,
    password: Secret<String>,
    answered: bool,
}

impl CramMd5 {
    pub(super) fn new(user: &str, password: &Secret<String>) -> Self {
        Self { user: user.to_owned(), password: password.clone(), answered: false }
    }
}

impl Mechanism for CramMd5 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn step(&mut self, challenge: &[u8]) -> Result<Secret<Vec<u8>>, SaslError> {
        if std::mem::replace(&mut self.answered, true) {
            return Err(SaslError::TooManyChallenges(NAME));
        }
        let challenge = decode(NAME, challenge)?;
        if challenge.is_empty() {
            return Err(SaslError::Unreadable(NAME));
        }
        let proof = hmac_md5_hex(self.password.reveal().as_bytes(), &challenge);
        Ok(Secret::new(format!("{} {proof}", self.user).into_bytes()))
    }

    fn due(&self) -> Due {
        if self.answered { Due::Verdict } else { Due::Challenge }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2195 section 2.
    #[test]
    fn tim_and_his_password() {
        let mut cram = CramMd5::new("tim", &Secret::new("tanstaaftanstaaf".to_owned()));
        let said = cram.step(b"PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+").unwrap();
        assert_eq!(said.reveal(), b"tim b913a602c7eda7a495b4e6e7334d3890");
        assert_eq!(cram.step(b"PDE4OTY+").unwrap_err(), SaslError::TooManyChallenges(NAME));
    }
}

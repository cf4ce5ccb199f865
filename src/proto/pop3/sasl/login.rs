use super::{Due, Mechanism, SaslError};
use crate::mail::Secret;

const NAME: &str = "LOGIN";

/// The user name, then the password, each when asked for. Never a standard; what the questions say is for people.
#[derive(Debug)]
pub(super) struct Login {
    /// What is still to be said, the next at the end.
    answers: Vec<Secret<Vec<u8>>>,
}

impl Login {
    pub(super) fn new(user: &str, password: &Secret<String>) -> Self {
        let answer = |text: &str| Secret::new(text.as_bytes().to_vec());
        Self { answers: vec![answer(password.reveal()), answer(user)] }
    }
}

impl Mechanism for Login {
    fn name(&self) -> &'static str {
        NAME
    }

    fn step(&mut self, _question: &[u8]) -> Result<Secret<Vec<u8>>, SaslError> {
        self.answers.pop().ok_or(SaslError::TooManyChallenges(NAME))
    }

    fn due(&self) -> Due {
        if self.answers.is_empty() { Due::Verdict } else { Due::Challenge }
    }
}

use serde::Deserialize;

use super::{Due, Mechanism, SaslError, TokenRefusal, decode};
use crate::mail::Secret;
use crate::proto::pop3::fault::printable;

/// OAUTHBEARER (RFC 7628) and its elder XOAUTH2: one message with the token, and where the server does not take it, one
/// challenge that says why, to be answered before the -ERR comes.
#[derive(Debug)]
pub(super) struct Oauth {
    name: &'static str,
    message: Secret<Vec<u8>>,
    /// What is said to the refusal.
    acknowledgement: &'static [u8],
    refusal: Option<TokenRefusal>,
}

impl Oauth {
    pub(super) fn bearer(user: &str, token: &Secret<String>, server: Option<(&str, u16)>) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let place = server.map_or_else(String::new, |(host, port)| format!("host={host}\x01port={port}\x01"));
        let message = format!("n,a={user},\x01{place}auth=Bearer {}\x01\x01", token.reveal());
        Self::new("OAUTHBEARER", message, b"\x01")
    }

    pub(super) fn xoauth2(user: &str, token: &Secret<String>) -> Self {
        Self::new("XOAUTH2", format!("user={user}\x01auth=Bearer {}\x01\x01", token.reveal()), b"")
    }

    fn new(name: &'static str, message: String, acknowledgement: &'static [u8]) -> Self {
        Self { name, message: Secret::new(message.into_bytes()), acknowledgement, refusal: None }
    }
}

impl Mechanism for Oauth {
    fn name(&self) -> &'static str {
        self.name
    }

    fn first(&mut self) -> Result<Option<Secret<Vec<u8>>>, SaslError> {
        Ok(Some(self.message.clone()))
    }

    fn step(&mut self, challenge: &[u8]) -> Result<Secret<Vec<u8>>, SaslError> {
        if self.refusal.is_some() {
            return Err(SaslError::TooManyChallenges(self.name));
        }
        self.refusal = Some(read(&decode(self.name, challenge)?));
        Ok(Secret::new(self.acknowledgement.to_vec()))
    }

    fn due(&self) -> Due {
        Due::Verdict
    }

    /// Some servers do not take a token in the AUTH line, however short.
    fn speaks_at_once(&self) -> bool {
        false
    }

    fn refusal(&self) -> Option<TokenRefusal> {
        self.refusal.clone()
    }
}

#[derive(Deserialize)]
struct Told {
    status: serde_json::Value,
    scope: Option<String>,
}

/// What is not the JSON that it should be is shown as it came.
fn read(challenge: &[u8]) -> TokenRefusal {
    const SHOWN: usize = 200;
    let shown = |text: &str| printable(text.chars().take(SHOWN).collect::<String>().as_bytes());
    match serde_json::from_slice::<Told>(challenge) {
        Ok(Told { status, scope }) => {
            let status = status.as_str().map_or_else(|| status.to_string(), str::to_owned);
            let scope = scope.filter(|scope| !scope.is_empty());
            TokenRefusal { status: shown(&status), scope: scope.map(|scope| shown(&scope)) }
        }
        Err(_) => TokenRefusal { status: shown(&String::from_utf8_lossy(challenge)), scope: None },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_refusal_is_read_whatever_its_status_is_made_of() {
        for (told, shown) in [
            (
                r#"{"status":"401","schemes":"bearer","scope":"https://mail.example/"}"#,
                "401, wants the scope https://mail.example/",
            ),
            (r#"{"status":400,"schemes":"Bearer"}"#, "400"),
            (r#"{"status":"invalid_token","scope":""}"#, "invalid_token"),
            ("nonsense\x1b", "nonsense\u{fffd}"),
        ] {
            assert_eq!(read(told.as_bytes()).to_string(), shown);
        }
    }

    #[test]
    fn commas_in_a_name_do_not_end_it() {
        let token = Secret::new("t".to_owned());
        let mut bearer = Oauth::bearer("a,b=c", &token, Some(("pop.example", 995)));
        let said = bearer.first().unwrap().unwrap();
        assert_eq!(said.reveal(), b"n,a=a=2Cb=3Dc,\x01host=pop.example\x01port=995\x01auth=Bearer t\x01\x01");
    }

    proptest! {
        #[test]
        fn no_challenge_makes_it_stumble(challenge in prop::collection::vec(any::<u8>(), 0..300)) {
            let shown = read(&challenge).to_string();
            prop_assert!(!shown.contains(char::is_control));
        }
    }
}

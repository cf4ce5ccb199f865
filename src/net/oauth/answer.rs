use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::{Cause, Denial};
use crate::mail::Secret;
use crate::net::http::Reply;

/// Where a provider's own sentence is cut.
const LONGEST_SENTENCE: usize = 300;

/// What a token endpoint grants (RFC 6749 section 5.1).
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) access: Secret<String>,
    /// How long it holds. The provider need not say.
    pub(super) expires_in: Option<Duration>,
    pub(super) refresh: Option<Secret<String>>,
}

/// What a device endpoint answers (RFC 8628 section 3.2).
#[derive(Debug)]
pub(super) struct Device {
    pub(super) code: Secret<String>,
    pub(super) user_code: String,
    pub(super) verification_uri: String,
    pub(super) expires_in: Duration,
    pub(super) interval: Duration,
}

/// RFC 8628 section 3.2: what holds if the provider does not say.
const USUAL_INTERVAL_S: u64 = 5;

/// A grant, or why there is none. `secrets` are what was sent: a sentence that repeats one must not show it.
pub(super) fn granted(reply: &Reply, secrets: &[&str]) -> Result<Granted, Cause> {
    #[derive(Deserialize)]
    struct Wire {
        access_token: String,
        token_type: Option<String>,
        expires_in: Option<Number>,
        refresh_token: Option<String>,
    }
    let wire: Wire = read(reply, secrets)?;
    if wire.token_type.is_some_and(|word| !word.eq_ignore_ascii_case("bearer")) {
        return Err(Cause::Garbage);
    }
    Ok(Granted {
        access: token(wire.access_token)?,
        expires_in: wire.expires_in.and_then(Number::seconds),
        refresh: wire.refresh_token.filter(|text| !text.is_empty()).map(token).transpose()?,
    })
}

/// The beginning of a device sign-in. `verification_url` is Google's older name.
pub(super) fn device(reply: &Reply, secrets: &[&str]) -> Result<Device, Cause> {
    #[derive(Deserialize)]
    struct Wire {
        device_code: String,
        user_code: String,
        #[serde(alias = "verification_url")]
        verification_uri: String,
        expires_in: Number,
        interval: Option<Number>,
    }
    let wire: Wire = read(reply, secrets)?;
    let shown = [&wire.user_code, &wire.verification_uri];
    if shown.iter().any(|text| text.is_empty() || text.chars().any(char::is_control)) {
        return Err(Cause::Garbage);
    }
    Ok(Device {
        code: token(wire.device_code)?,
        user_code: wire.user_code,
        verification_uri: wire.verification_uri,
        expires_in: wire.expires_in.seconds().ok_or(Cause::Garbage)?,
        interval: wire.interval.and_then(Number::seconds).unwrap_or(Duration::from_secs(USUAL_INTERVAL_S)),
    })
}

/// RFC 6749 appendix A allows visible ASCII and the space; a space would end the token in `Bearer TOKEN`.
pub(super) fn token(text: String) -> Result<Secret<String>, Cause> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(Cause::Unsendable);
    }
    Ok(Secret::new(text))
}

/// One line of somebody else's words, fit for a screen: no control characters, no secrets, not long.
pub(super) fn sentence(said: &str, secrets: &[&str]) -> String {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    let hidden = secrets.fold(said.to_owned(), |text, secret| text.replace(secret, "<redacted>"));
    let shown = hidden.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    shown.take(LONGEST_SENTENCE).collect::<String>().trim().to_owned()
}

/// The reasons of the JSON reader are dropped: they quote what they could not read.
fn read<T: DeserializeOwned>(reply: &Reply, secrets: &[&str]) -> Result<T, Cause> {
    match reply.status {
        200..=299 => serde_json::from_slice(&reply.body).map_err(|_| Cause::Garbage),
        _ => Err(refusal(reply, secrets)),
    }
}

fn refusal(reply: &Reply, secrets: &[&str]) -> Cause {
    #[derive(Deserialize)]
    struct Wire {
        error: String,
        error_description: Option<String>,
    }
    let wire = serde_json::from_slice::<Wire>(&reply.body).ok();
    match (reply.status, wire) {
        // Google refuses a poll that comes too soon with 403 or 429.
        (429, Some(wire)) if wire.error == "slow_down" => denied(wire.error, wire.error_description, secrets),
        (status @ (408 | 429 | 500..), _) => Cause::Busy { status },
        (_, Some(wire)) => denied(wire.error, wire.error_description, secrets),
        (status, None) => Cause::Status { status },
    }
}

fn denied(code: String, description: Option<String>, secrets: &[&str]) -> Cause {
    let description = sentence(&description.unwrap_or_default(), secrets);
    Cause::Denied(Denial { code: sentence(&code, secrets), description })
}

/// Seconds as a number, or as a number in a text, which some providers send.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Whole(u64),
    Real(f64),
    Text(String),
}

impl Number {
    /// Nothing for what is negative or no number.
    fn seconds(self) -> Option<Duration> {
        match self {
            Self::Whole(seconds) => Some(Duration::from_secs(seconds)),
            Self::Real(seconds) => Duration::try_from_secs_f64(seconds).ok(),
            Self::Text(text) => text.trim().parse().ok().map(Duration::from_secs),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_grant_is_read_in_the_forms_that_providers_send() {
        for expires_in in ["3599", "\"3599\"", "3599.0"] {
            let body = format!(r#"{{"access_token":"a","token_type":"Bearer","expires_in":{expires_in}}}"#);
            let granted = granted(&reply(200, &body), &[]).unwrap();
            assert_eq!(granted.expires_in, Some(Duration::from_secs(3599)), "{body}");
        }
        let bare = granted(&reply(200, r#"{"access_token":"a","refresh_token":""}"#), &[]).unwrap();
        assert!(bare.expires_in.is_none() && bare.refresh.is_none());
    }

    #[test]
    fn a_token_that_would_end_the_line_is_refused() {
        for text in ["", "a b", "a\r\n", "a\0", "a\x7f", "é"] {
            assert!(matches!(token(text.to_owned()), Err(Cause::Unsendable)), "{text:?}");
        }
    }

    #[test]
    fn statuses_are_told_apart() {
        let denial = r#"{"error":"invalid_grant"}"#;
        assert!(matches!(granted(&reply(503, denial), &[]), Err(Cause::Busy { status: 503 })));
        assert!(matches!(granted(&reply(400, denial), &[]), Err(Cause::Denied(_))));
        assert!(matches!(granted(&reply(404, "<html>"), &[]), Err(Cause::Status { status: 404 })));
        assert!(matches!(granted(&reply(302, ""), &[]), Err(Cause::Status { status: 302 })));
        assert!(matches!(granted(&reply(200, "<html>"), &[]), Err(Cause::Garbage)));
        let mac = r#"{"access_token":"a","token_type":"mac"}"#;
        assert!(matches!(granted(&reply(200, mac), &[]), Err(Cause::Garbage)));
    }

    #[test]
    fn what_a_person_is_shown_moves_no_cursor() {
        let body = r#"{"device_code":"d","user_code":"A\u001b[2J","verification_uri":"https://x","expires_in":9}"#;
        assert!(matches!(device(&reply(200, body), &[]), Err(Cause::Garbage)));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(status in 100u16..600, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let reply = Reply { status, body };
            let _one_or_the_other = (granted(&reply, &[]).is_ok(), device(&reply, &[]).is_ok());
        }

        #[test]
        fn no_error_shows_what_was_sent(
            secret in "[!-~]{8,40}", before in any::<String>(), after in any::<String>(), status in 400u16..500,
        ) {
            let body = serde_json::json!({"error": "invalid_grant", "error_description": format!("{before}{secret}{after}")});
            let error = granted(&reply(status, &body.to_string()), &[&secret]).unwrap_err();
            let shown = format!("{error} {error:?}");
            // A secret that is part of the fixed words themselves proves nothing.
            prop_assume!(!format!("{}", denied("invalid_grant".into(), None, &[])).contains(&secret));
            prop_assert!(!shown.contains(&secret), "{shown}");
        }

        #[test]
        fn a_token_taken_is_one_word_of_ascii(text in any::<String>()) {
            if let Ok(token) = token(text) {
                prop_assert!(token.reveal().bytes().all(|octet| (0x21..0x7f).contains(&octet)));
            }
        }
    }
}

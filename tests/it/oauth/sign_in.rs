//! The device sign-in (RFC 8628).

use std::fs;
use std::time::Duration;

use poplar::net::oauth::{Cause, Poll, Provider, device_code};
use serde_json::json;

use super::{Answer, Bench, denies, grants, http, rotates};

fn device(expires_in: u32) -> Answer {
    let body = json!({
        "device_code": "device-sekrit", "user_code": "ABCD-EFGH", "verification_uri": "https://example.org/device",
        "expires_in": expires_in, "interval": 0,
    });
    Answer::Says(200, body.to_string())
}

#[tokio::test]
async fn a_sign_in_waits_for_its_person_at_the_pace_it_is_told() {
    let pending = || denies("authorization_pending");
    let bench = Bench::new(vec![device(900), pending(), denies("slow_down"), pending(), rotates(1)]);
    fs::remove_file(&bench.file).unwrap();
    let mut sign_in = device_code(&bench.provider(), &http(), &bench.clock()).await.unwrap();
    assert_eq!(sign_in.prompt().user_code, "ABCD-EFGH");
    assert_eq!(sign_in.prompt().verification_uri, "https://example.org/device");
    let pace = sign_in.interval();

    assert_eq!(sign_in.poll().await.unwrap(), Poll::Pending);
    assert_eq!(sign_in.interval(), pace);
    assert_eq!(sign_in.poll().await.unwrap(), Poll::Pending);
    assert_eq!(sign_in.interval(), pace + Duration::from_secs(5));
    assert_eq!(sign_in.poll().await.unwrap(), Poll::Pending);
    assert!(!bench.file.exists());
    assert_eq!(sign_in.poll().await.unwrap(), Poll::Done);

    assert_eq!(bench.kept(), "refresh-1\n");
    let asked = bench.server.asked();
    assert_eq!(asked[0]["scope"], "mail offline");
    assert_eq!(asked[4]["device_code"], "device-sekrit");
    assert_eq!(asked[4]["grant_type"], "urn:ietf:params:oauth:grant-type:device_code");
    assert!(!format!("{sign_in:?}").contains("sekrit"));
}

#[tokio::test]
async fn a_sign_in_can_be_waited_for() {
    let bench = Bench::new(vec![device(900), rotates(1)]);
    device_code(&bench.provider(), &http(), &bench.clock()).await.unwrap().wait().await.unwrap();
    assert_eq!(bench.kept(), "refresh-1\n");
}

#[tokio::test]
async fn a_sign_in_that_fails_leaves_the_file_alone() {
    for (answer, advice) in [
        (denies("expired_token"), "Start the sign-in again"),
        (denies("access_denied"), "said no"),
        (grants(1), "no refresh token"),
    ] {
        let bench = Bench::new(vec![device(900), answer]);
        let mut sign_in = device_code(&bench.provider(), &http(), &bench.clock()).await.unwrap();
        let error = sign_in.poll().await.unwrap_err();
        assert!(error.to_string().contains(advice) && !error.is_transient(), "{error}");
        assert_eq!(bench.kept(), "refresh-0\n");
    }
}

#[tokio::test]
async fn a_sign_in_ends_with_its_code() {
    let bench = Bench::new(vec![device(60), rotates(1)]);
    let mut sign_in = device_code(&bench.provider(), &http(), &bench.clock()).await.unwrap();
    bench.pass(60);
    assert!(matches!(sign_in.poll().await.unwrap_err().cause, Cause::SignInExpired));
}

#[tokio::test]
async fn a_provider_without_device_sign_in_says_so() {
    let bench = Bench::new(vec![]);
    let provider = Provider { device_url: None, ..bench.provider() };
    let error = device_code(&provider, &http(), &bench.clock()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::NoSignIn), "{error}");
}

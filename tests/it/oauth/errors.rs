//! What goes wrong: whether a retry helps, what a person can do, and that no secret shows.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use poplar::net::http;
use poplar::net::oauth::{Cause, Error, Http, Provider, Tokens};
use poplar::net::tls::Trust;
use serde_json::json;

use super::{Answer, Bench, CLIENT_SECRET, TokenServer, certified, denies, granted, grants, http, put};

async fn refused(script: Vec<Answer>) -> Error {
    Bench::new(script).tokens().access().await.unwrap_err()
}

#[tokio::test]
async fn what_needs_a_person_says_what_to_do() {
    for (code, advice) in [
        ("invalid_grant", "Sign in again with poplar account login"),
        ("invalid_client", "Check client_id and client_secret"),
        ("unauthorized_client", "what its registration allows"),
        ("invalid_scope", "Check scope"),
    ] {
        let error = refused(vec![denies(code)]).await;
        assert!(!error.is_transient(), "{error}");
        let shown = error.to_string();
        assert!(shown.contains(code) && shown.contains("so it is") && shown.contains(advice), "{shown}");
    }
}

#[tokio::test]
async fn what_passes_is_transient() {
    let long = Answer::Says(200, " ".repeat((64 << 10) + 1));
    for answer in [
        Answer::Says(503, "no".to_owned()),
        Answer::Says(429, json!({"error": "rate_limited"}).to_string()),
        Answer::Says(500, json!({"error": "invalid_grant"}).to_string()),
        Answer::Says(200, "{\"access_token\": ".to_owned()),
        denies("temporarily_unavailable"),
        Answer::Endless,
        Answer::HangsUp,
        long,
    ] {
        let error = refused(vec![answer]).await;
        assert!(error.is_transient(), "{error}");
    }
}

#[tokio::test]
async fn nobody_listening_is_transient() {
    let bench = Bench::new(vec![]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let provider = Provider { token_url: format!("http://{free}/token"), ..bench.provider() };
    let error = bench.tokens_of(provider).access().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Http(http::Error::Connect(_))) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up() {
    let bench = Bench::new(vec![Answer::Stalls]);
    let http = http().within(Duration::from_millis(300));
    let error = Tokens::from_provider(bench.provider(), http, bench.clock()).unwrap().access().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Http(http::Error::Deadline(_))) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_token_with_a_line_end_is_not_used_nor_shown() {
    let bad = json!({"access_token": "sekrit\r\nDELE 1", "expires_in": 3600});
    let error = refused(vec![Answer::Says(200, bad.to_string())]).await;
    assert!(matches!(error.cause, Cause::Unsendable) && !error.is_transient(), "{error}");
    assert!(!format!("{error}{error:?}").contains("sekrit"));
}

#[tokio::test]
async fn no_error_repeats_a_secret_that_the_provider_repeats() {
    let sentence = format!("no client with refresh-0 and {CLIENT_SECRET}\u{1b}[2J");
    let error =
        refused(vec![Answer::Says(400, json!({"error": "invalid_grant", "error_description": sentence}).to_string())])
            .await;
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("no client with <redacted> and <redacted>"), "{shown}");
    assert!(
        !shown.contains(CLIENT_SECRET) && !shown.contains("refresh-0") && !error.to_string().contains('\u{1b}'),
        "{shown}"
    );
}

#[tokio::test]
async fn a_file_that_is_missing_empty_or_open_to_others_is_an_error_for_a_person() {
    let bench = Bench::new(vec![]);
    fs::set_permissions(&bench.file, PermissionsExt::from_mode(0o640)).unwrap();
    let open = bench.tokens().access().await.unwrap_err();
    assert!(open.to_string().contains("can be read by others") && !open.is_transient(), "{open}");
    put(&bench.file, "");
    let empty = bench.tokens().access().await.unwrap_err();
    assert!(matches!(empty.cause, Cause::Empty { .. }) && !empty.is_transient(), "{empty}");
    fs::remove_file(&bench.file).unwrap();
    let missing = bench.tokens().access().await.unwrap_err();
    assert!(missing.to_string().contains("Sign in first") && !missing.is_transient(), "{missing}");
    assert!(bench.server.asked().is_empty());
}

#[tokio::test]
async fn tls_is_spoken_to_those_we_trust_only() {
    let (config, authority) = certified(&["127.0.0.1"]);
    let server = TokenServer::start_tls(vec![grants(1), grants(2)], config);
    let bench = Bench::new(vec![]);
    let provider = Provider { token_url: format!("https://127.0.0.1:{}/token", server.port), ..bench.provider() };

    let stranger = bench.tokens_of(provider.clone()).access().await.unwrap_err();
    assert!(matches!(stranger.cause, Cause::Http(http::Error::Tls(_))) && !stranger.is_transient(), "{stranger}");
    assert!(server.asked().is_empty());

    let ca_file = bench.file.with_file_name("ca.pem");
    fs::write(&ca_file, authority).unwrap();
    let trusting = Http::new(&Trust::File(ca_file)).unwrap();
    let tokens = Tokens::from_provider(provider, trusting, bench.clock()).unwrap();
    assert_eq!(granted(&tokens).await, "access-2");
}

#[test]
fn secrets_are_not_sent_in_the_clear() {
    let bench = Bench::new(vec![]);
    let provider = Provider { token_url: "http://example.org/token".to_owned(), ..bench.provider() };
    let error = Tokens::from_provider(provider, http(), bench.clock()).unwrap_err();
    assert!(error.to_string().contains("https://") && !error.is_transient(), "{error}");
}

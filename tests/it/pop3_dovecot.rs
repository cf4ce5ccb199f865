//! The POP3 driver against a real Dovecot: implicit TLS, STLS, pipelined messages, deletion, every way to log
//! in.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poplar::config::{Config, LoadOptions};
use poplar::mail::{Clock, Secret};
use poplar::net::pop3::{Auth, Class, Credentials, Deadlines, Endpoint, Error, Login, Quit, Session, Tls};
use poplar::net::tls::{self, Identity, Policy, Trust};
use poplar::pipeline::{self, AccessTokens};

use crate::pop3_net::{endpoint, login, open_at, retrieve_all};
use crate::support::dovecot::{Dovecot, TOKEN_KEY};

#[tokio::test]
async fn what_dovecot_keeps_arrives_octet_for_octet_and_goes_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let mail =
        |n: u32| [format!("Subject: {n}\r\n\r\n").as_bytes(), &b".\r\n..x\r\n\xff cr \r\n".repeat(n as usize)].concat();
    let mails: Vec<Vec<u8>> = (1..=150).map(mail).collect();
    mails.iter().for_each(|octets| server.deliver("tester", octets));

    let mut session = open_at(&implicit(&server), Deadlines::default()).await.unwrap();
    assert!(session.capabilities().pipelining());
    let listing = session.list().await.unwrap();
    assert!(listing.messages.iter().zip(&mails).all(|(m, octets)| m.size_bytes == Some(octets.len() as u64)));
    assert_eq!(retrieve_all(&mut session, 150).await, mails);
    session.delete(&(1..=149).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(session.quit().await.unwrap(), Quit::Committed);

    let mut session = open_at(&starttls(&server), Deadlines::default()).await.unwrap();
    assert!(session.tls_version().is_some());
    let left = session.list().await.unwrap();
    assert_eq!(left.messages.len(), 1);
    assert_eq!(left.messages[0].uid, listing.messages[149].uid);
}

#[tokio::test]
async fn dovecot_says_that_the_password_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let refused = Session::open(&implicit(&server), &login("wrong"), &Deadlines::default()).await;
    assert_eq!(refused.err().unwrap().class(), Class::Auth);
}

const PASSWORDS: [(&str, &str); 2] = [("tester", "sekrit"), ("alice", "pässwörd with space")];

#[tokio::test]
async fn dovecot_takes_every_mechanism_with_every_password_and_no_wrong_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    for (auth, name) in [
        (Auth::Auto, "SCRAM-SHA-256"),
        (Auth::User, "USER/PASS"),
        (Auth::Apop, "APOP"),
        (Auth::Plain, "PLAIN"),
        (Auth::Login, "LOGIN"),
        (Auth::CramMd5, "CRAM-MD5"),
        (Auth::ScramSha1, "SCRAM-SHA-1"),
        (Auth::ScramSha256, "SCRAM-SHA-256"),
    ] {
        for (user, password) in PASSWORDS {
            let session = by(&server, auth, user, password_of(password)).await;
            assert_eq!(session.unwrap_or_else(|error| panic!("{name} {user}: {error}")).mechanism(), name);
        }
        let refused = by(&server, auth, "tester", password_of("wrong")).await.err().unwrap();
        assert_eq!(refused.class(), Class::Auth, "{name}: {refused}");
    }
}

#[tokio::test]
async fn dovecot_takes_tokens_and_says_what_is_wrong_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    for (auth, name) in [(Auth::Auto, "OAUTHBEARER"), (Auth::OauthBearer, "OAUTHBEARER"), (Auth::Xoauth2, "XOAUTH2")] {
        let good = by(&server, auth, "tester", token_of(&token("tester", 3_600, TOKEN_KEY))).await;
        assert_eq!(good.unwrap_or_else(|error| panic!("{name}: {error}")).mechanism(), name);
        for bad in [token("tester", -10, TOKEN_KEY), token("tester", 3_600, b"another key")] {
            let refused = by(&server, auth, "tester", token_of(&bad)).await.err().unwrap();
            assert_eq!((refused.class(), refused.is_transient()), (Class::Auth, false), "{name}: {refused}");
            assert!(refused.to_string().contains("does not take the access token"), "{name}: {refused}");
            assert!(!refused.to_string().contains(&bad), "{name}");
        }
    }
}

#[tokio::test]
async fn dovecot_knows_us_by_our_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let [certificate, key] = server.client.clone();
    let trust = Trust::File(server.ca_file.clone());
    let policy = Policy { identity: Some(Identity { certificate, key }), ..trust.into() };
    let certificate = Credentials { client_certificate: true, ..Credentials::default() };
    for auth in [Auth::Auto, Auth::External] {
        for tls in [Tls::Implicit, Tls::StartTls] {
            let tls = tls(policy.client_config().unwrap());
            let port = if matches!(tls, Tls::Implicit(_)) { server.pop3s_port } else { server.pop3_port };
            let login = login_by(auth, "tester", certificate.clone());
            let session = Session::open(&named(port, tls), &login, &Deadlines::default()).await;
            assert_eq!(session.unwrap_or_else(|error| panic!("{error}")).mechanism(), "EXTERNAL");
        }
    }
    let refused = by(&server, Auth::External, "tester", certificate).await.err().unwrap();
    assert_eq!(refused.class(), Class::Auth, "{refused}");
}

#[tokio::test]
async fn what_the_settings_say_is_what_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let session = by(&server, Auth::Auto, "tester", password_of("sekrit")).await.unwrap();
    let pin = session.tls_facts().unwrap().chain[0].spki_sha256.clone();
    session.quit().await.unwrap();

    let pinned = format!("pin_sha256 = [{pin:?}]\npin_only = true\n");
    let [certificate, key] = &server.client;
    let external = format!("{pinned}client_cert = {certificate:?}\nclient_key = {key:?}\n");
    let command = format!("[account.oauth]\ntoken_command = [\"echo\", {:?}]\n", token("tester", 60, TOKEN_KEY));
    let by_authority = format!("ca_file = {:?}\ntls_server_name = \"localhost\"\n", server.ca_file);
    let by_token = format!("{by_authority}{command}");
    for (lines, mechanism) in [(&external, "EXTERNAL"), (&by_token, "OAUTHBEARER")] {
        let session = open_as_set(&server, folder.path(), lines).await;
        assert_eq!(session.unwrap_or_else(|error| panic!("{error}")), mechanism);
    }
    for (lines, sentence) in [
        (format!("{pinned}auth = \"gssapi\"\n"), "the server does not offer GSSAPI"),
        (format!("{}auth = \"gssapi\"\n", pinned.replace(&pin, &"0".repeat(64))), "none of those in pin_sha256"),
        (by_token.replace("\"echo\"", "\"false\""), "no access token from the command \"false\""),
    ] {
        let error = open_as_set(&server, folder.path(), &lines).await.unwrap_err();
        assert!(error.contains(sentence), "{sentence}\nbut it says\n{error}");
    }
}

/// The mechanism that an account with these lines is let in by.
async fn open_as_set(server: &Dovecot, folder: &Path, lines: &str) -> Result<&'static str, String> {
    let port = server.pop3s_port;
    let account = format!("[[account]]\nname = \"a\"\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"tester\"\n");
    let file = folder.join("poplar.toml");
    std::fs::write(&file, account + lines).unwrap();
    let options = LoadOptions { file: Some(file), data_dir: Some(folder.join("archive")) };
    let loaded = Config::load(&options).unwrap();
    let (endpoint, login) = pipeline::way_in(&loaded.config.accounts[0], &AccessTokens::default())
        .await
        .map_err(|error| error.to_string())?;
    let session = Session::open(&endpoint, &login, &Deadlines::default()).await.map_err(|error| error.to_string())?;
    Ok(session.mechanism())
}

async fn by(server: &Dovecot, auth: Auth, user: &str, credentials: Credentials) -> Result<Session, Error> {
    let login = login_by(auth, user, credentials);
    Session::open(&implicit(server), &login, &Deadlines::default()).await
}

fn login_by(auth: Auth, user: &str, credentials: Credentials) -> Login {
    Login { user: user.to_owned(), credentials, auth, allow_cleartext: false }
}

fn password_of(password: &str) -> Credentials {
    Secret::new(password.to_owned()).into()
}

fn token_of(token: &str) -> Credentials {
    Credentials { token: Some(Secret::new(token.to_owned())), ..Credentials::default() }
}

/// A JSON Web Token (RFC 7519) that ends in `seconds`, signed with HS256.
pub(crate) fn token(user: &str, seconds: i64, key: &[u8]) -> String {
    let now = Clock::system().now().as_millis() / 1000;
    let claims = serde_json::json!({ "sub": user, "iss": "test", "iat": now - 60, "exp": now + seconds });
    let [header, claims] =
        [r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string()].map(|json| URL_SAFE_NO_PAD.encode(json));
    let signed = format!("{header}.{claims}");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes())))
}

fn implicit(server: &Dovecot) -> Endpoint {
    named(server.pop3s_port, Tls::Implicit(trust(server)))
}

fn starttls(server: &Dovecot) -> Endpoint {
    named(server.pop3_port, Tls::StartTls(trust(server)))
}

fn trust(server: &Dovecot) -> std::sync::Arc<rustls::ClientConfig> {
    tls::client_config(&Trust::File(server.ca_file.clone())).unwrap()
}

/// Dovecot's certificate is for this name.
fn named(port: u16, tls: Tls) -> Endpoint {
    Endpoint { tls_server_name: Some("localhost".into()), ..endpoint(port, tls) }
}

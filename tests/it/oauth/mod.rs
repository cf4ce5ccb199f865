//! Tokens: what a provider or a command gives is used, kept and asked for again as it should be; everything else is
//! an error that tells whether a retry helps, and that never shows a secret.

mod access;
mod account;
mod command;
mod errors;
mod sign_in;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use poplar::mail::{Clock, Secret, Timestamp};
use poplar::net::oauth::{Grant, Http, Provider, Tokens};
use poplar::net::tls::Trust;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;

use crate::support::token_server::{Answer, TokenServer};

const CLIENT_SECRET: &str = "client+secret&of=ours";

/// A folder with a refresh token, a provider, and a clock that the test turns.
struct Bench {
    _folder: tempfile::TempDir,
    file: PathBuf,
    server: TokenServer,
    now: Arc<AtomicI64>,
}

impl Bench {
    fn new(script: Vec<Answer>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("refresh");
        put(&file, "refresh-0");
        Self { _folder: folder, file, server: TokenServer::start(script), now: Arc::default() }
    }

    fn provider(&self) -> Provider {
        Provider {
            token_url: self.server.url(),
            device_url: Some(self.server.url()),
            client_id: "poplar".to_owned(),
            client_secret: Some(Secret::new(CLIENT_SECRET.to_owned())),
            scope: Some("mail offline".to_owned()),
            grant: Grant::RefreshToken { file: self.file.clone() },
        }
    }

    fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Clock::new(move || Timestamp::from_millis(now.load(Ordering::SeqCst)))
    }

    fn tokens(&self) -> Tokens {
        self.tokens_of(self.provider())
    }

    fn tokens_of(&self, provider: Provider) -> Tokens {
        Tokens::from_provider(provider, http(), self.clock()).unwrap()
    }

    fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    fn kept(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }
}

fn http() -> Http {
    // The authorities of the machine matter to nobody here, and a machine may have none.
    let (_, authority) = certified(&["localhost"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, authority).unwrap();
    Http::new(&Trust::File(file)).unwrap()
}

fn put(file: &Path, token: &str) {
    fs::write(file, format!("{token}\n")).unwrap();
    fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
}

fn grants(number: u32) -> Answer {
    Answer::Says(200, json!({"access_token": format!("access-{number}"), "expires_in": 3600}).to_string())
}

fn rotates(number: u32) -> Answer {
    let (access, refresh) = (format!("access-{number}"), format!("refresh-{number}"));
    let body = json!({"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 3600});
    Answer::Says(200, body.to_string())
}

fn denies(code: &str) -> Answer {
    Answer::Says(400, json!({"error": code, "error_description": "so it is"}).to_string())
}

async fn granted(tokens: &Tokens) -> String {
    tokens.access().await.unwrap().reveal().clone()
}

/// A certificate for `names` that is its own authority: the server's side, and the PEM to trust.
pub(crate) fn certified(names: &[&str]) -> (Arc<ServerConfig>, String) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    (Arc::new(config), certificate.pem())
}

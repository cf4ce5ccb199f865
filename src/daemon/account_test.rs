//! Logs in to an account's server, looks around, and leaves without having changed anything.

use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::catalog::{self, Catalog};
use crate::config::{Account, AfterArchive};
use crate::mail::Clock;
use crate::net::pop3::{Deadlines, Listing, Session};
use crate::net::tls::CertFacts;
use crate::pipeline::{AccessTokens, Outlook, look as look_at, way_in};

/// What was found.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Tested {
    pub account: String,
    /// `host:port`.
    pub address: String,
    /// The version of TLS and the cipher; none on a line without it.
    pub tls: Option<String>,
    /// What the server showed of itself.
    pub certificate: Option<Certificate>,
    /// How the login is made, as configured.
    pub auth: String,
    /// How the login was made, as protocols call it.
    pub mechanism: Option<String>,
    /// What will soon keep the account from being polled.
    pub warning: Option<String>,
    /// What the server offers once logged in.
    pub capabilities: Vec<String>,
    pub messages: u64,
    /// Octets of all messages, as the server counts them.
    pub bytes: u64,
    /// What a poll would do.
    pub next: Option<String>,
    /// Why the account cannot be polled, and what to do about it.
    pub error: Option<String>,
}

/// A server's certificate. `pin_sha256` takes either of its hashes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Certificate {
    pub subject: String,
    pub issuer: String,
    /// DNS names and IP addresses it is for.
    pub names: Vec<String>,
    /// RFC 3339, UTC.
    pub not_after: String,
    /// SHA-256 of the whole certificate, in hex.
    pub sha256: String,
    /// SHA-256 of its key, in hex: the same after a renewal that keeps the key.
    pub spki_sha256: String,
}

impl From<&CertFacts> for Certificate {
    fn from(facts: &CertFacts) -> Self {
        Self {
            subject: facts.subject.clone(),
            issuer: facts.issuer.clone(),
            names: facts.names.clone(),
            not_after: facts.not_after.to_string(),
            sha256: facts.sha256.clone(),
            spki_sha256: facts.spki_sha256.clone(),
        }
    }
}

/// Somebody waits for the answer.
pub const LIMITS: Deadlines = Deadlines {
    connect: Duration::from_secs(5),
    tls: Duration::from_secs(5),
    greeting: Duration::from_secs(15),
    login: Duration::from_secs(30),
    listing: Duration::from_secs(60),
    idle: Duration::from_secs(30),
    pace: Duration::from_secs(60),
};

/// `data_dir`: of the archive that is to know which messages are new, if there is one.
pub async fn test(account: &Account, data_dir: &Path, deadlines: &Deadlines) -> Tested {
    let mut tested = Tested {
        account: account.name.clone(),
        address: format!("{}:{}", account.host, account.port),
        auth: format!("{:?}", account.auth).to_lowercase(),
        ..Tested::default()
    };
    tested.error = look(account, data_dir, deadlines, &mut tested).await.err();
    tested
}

async fn look(account: &Account, data_dir: &Path, deadlines: &Deadlines, tested: &mut Tested) -> Result<(), String> {
    let (endpoint, login) = way_in(account, &AccessTokens::default()).await.map_err(|error| error.to_string())?;
    let mut session = Session::open(&endpoint, &login, deadlines).await.map_err(|error| error.to_string())?;
    if let Some(facts) = session.tls_facts() {
        tested.tls = Some(format!("{}, {}", facts.version, facts.cipher));
        tested.certificate = facts.chain.first().map(Certificate::from);
        tested.warning = facts.warning(Clock::system().now());
    }
    tested.mechanism = Some(session.mechanism().to_owned());
    tested.capabilities = session.capabilities().lines().collect();
    let listing = look_at(&mut session).await.map_err(|error| error.to_string())?;
    // Nothing was marked; what the server makes of the goodbye does not matter.
    drop(session.quit().await);
    tested.messages = listing.messages.len() as u64;
    tested.bytes = listing.messages.iter().filter_map(|listed| listed.size_bytes).sum();
    tested.next = Some(next(account, data_dir, &listing).map_err(|error| error.to_string())?);
    Ok(())
}

/// What a poll would do now, in a sentence.
fn next(account: &Account, data_dir: &Path, listing: &Listing) -> Result<String, catalog::Error> {
    let catalog = Catalog::beside(data_dir)?;
    let Outlook { new, oversize } = Outlook::of(catalog.as_ref(), account, &listing.messages, Clock::system().now())?;
    let rest = match account.after_archive {
        AfterArchive::Keep => "and leave all on the server",
        AfterArchive::Delete => "and delete on the server what is archived, as after_archive says",
        AfterArchive::DeleteAfter(_) => "and delete on the server what was archived long enough ago",
    };
    let noun = if new == 1 { "message" } else { "messages" };
    let left =
        if oversize > 0 { format!(" ({oversize} more are larger than max_message_bytes)") } else { String::new() };
    Ok(format!("a poll would fetch {new} new {noun} of {}{left} {rest}", listing.messages.len()))
}

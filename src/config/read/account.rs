use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;

use super::oauth::read_oauth;
use super::secret::{PASSWORD, secret};
use crate::config::page::{Page, Place, Section, kind};
use crate::config::{Account, AfterArchive, Auth, DeleteWhen, TlsMode, value};

pub(in crate::config) const TLS: [(&str, TlsMode); 3] =
    [("implicit", TlsMode::Implicit), ("starttls", TlsMode::StartTls), ("none", TlsMode::None)];
pub(in crate::config) const AUTH: [(&str, Auth); 13] = [
    ("auto", Auth::Auto),
    ("user", Auth::User),
    ("apop", Auth::Apop),
    ("plain", Auth::Plain),
    ("login", Auth::Login),
    ("cram-md5", Auth::CramMd5),
    ("scram-sha-1", Auth::ScramSha1),
    ("scram-sha-256", Auth::ScramSha256),
    ("oauthbearer", Auth::OauthBearer),
    ("xoauth2", Auth::Xoauth2),
    ("gssapi", Auth::Gssapi),
    ("external", Auth::External),
    ("rpop", Auth::Rpop),
];
pub(in crate::config) const DELETE_WHEN: [(&str, DeleteWhen); 3] =
    [("kept", DeleteWhen::Kept), ("scanned", DeleteWhen::Scanned), ("indexed", DeleteWhen::Indexed)];

const SHORTEST_POLL: Duration = Duration::from_secs(10);
const USUAL_TIMEOUT: Duration = Duration::from_mins(2);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);
const LONGEST_NAME: usize = 64;

pub(super) fn read_accounts<'d>(page: &mut Page<'d>, places: &[Place<'d>], folder: &Path) -> Vec<Account> {
    let mut names = BTreeSet::new();
    let mut accounts = Vec::new();
    for (number, place) in places.iter().enumerate() {
        let called = place.table.and_then(|table| table.get("name")).and_then(|name| name.get_ref().as_str());
        let title = called.map_or_else(|| "[[account]]".to_owned(), |name| format!("account {name:?}"));
        let mut section = page.section(place.clone(), &account_path(number), title);
        if called.is_some_and(|name| !names.insert(name.to_lowercase())) {
            section.fault_at("name", "another account has this name already; give each its own");
        }
        accounts.extend(read_account(&mut section, folder));
        section.finish();
    }
    accounts
}

/// The beginning of the origins' paths of the n-th account, counted from 0.
pub(in crate::config) fn account_path(number: usize) -> String {
    format!("account.{number}.")
}

fn read_account(section: &mut Section<'_, '_>, folder: &Path) -> Option<Account> {
    let name = section.required("name", "name = \"sales\"", account_name);
    let host = section.required("host", "host = \"pop.example.org\"", value::host);
    let tls = section.optional("tls", value::word(&TLS)).unwrap_or(TlsMode::Implicit);
    let port = section.optional("port", value::port);
    let allow_cleartext = section.optional("allow_cleartext", value::flag).unwrap_or(false);
    if tls == TlsMode::None && !allow_cleartext {
        let sentence = "tls = \"none\" sends the password and all mail in clear; use \"implicit\" or \"starttls\", \
                        or write allow_cleartext = true beside it if you mean it";
        section.fault_at("tls", sentence);
    }
    let user = section.required("user", "user = \"sales@example.org\"", value::text);
    let password = section.optional("password", secret(folder));
    let oauth = read_oauth(section, folder);
    let auth = section.optional("auth", value::word(&AUTH)).unwrap_or(Auth::Auto);
    let ca_file = section.optional("ca_file", value::existing_file(folder));
    let pin_sha256 = section.optional("pin_sha256", pins).unwrap_or_default();
    let pin_only = section.optional("pin_only", value::flag).unwrap_or(false);
    let client_cert = section.optional("client_cert", value::existing_file(folder));
    let client_key = section.optional("client_key", value::path(folder));
    let tls_server_name = section.optional("tls_server_name", value::host);
    let poll_every = section.optional("poll_every", poll_every).unwrap_or(Duration::from_mins(5));
    let timeout = section.optional("timeout", timeout).unwrap_or(USUAL_TIMEOUT);
    let after_archive = section.optional("after_archive", after_archive).unwrap_or(AfterArchive::Keep);
    let delete_when = section.optional("delete_when", value::word(&DELETE_WHEN)).unwrap_or(DeleteWhen::Scanned);
    let max_message_bytes = section.optional("max_message_bytes", value::size).unwrap_or(256 << 20);
    let multidrop = section.optional("multidrop", value::flag).unwrap_or(false);
    check_login(section, auth);
    check_tls(section, tls, auth);
    if auth == Auth::Rpop && !allow_cleartext {
        section.fault_at(
            "auth",
            "auth = \"rpop\" proves nothing: the server believes every host; write \
                                  allow_cleartext = true beside it if you mean it",
        );
    }
    Some(Account {
        name: name?,
        host: host?,
        port: port.unwrap_or(if tls == TlsMode::Implicit { 995 } else { 110 }),
        tls,
        allow_cleartext,
        user: user?,
        password,
        oauth,
        auth,
        ca_file,
        pin_sha256,
        pin_only,
        client_cert,
        client_key,
        tls_server_name,
        poll_every,
        timeout,
        after_archive,
        delete_when,
        max_message_bytes,
        multidrop,
    })
}

fn account_name(value: &DeValue<'_>) -> Result<String, String> {
    let name = value::text(value)?;
    check_name(&name).map(|()| name)
}

/// Whether an account may be called so; else, what names are like.
pub fn check_name(name: &str) -> Result<(), String> {
    let letters = name.chars().all(|letter| letter.is_alphanumeric() || "._-@".contains(letter));
    let first = name.chars().next().is_some_and(char::is_alphanumeric);
    if letters && first && name.chars().count() <= LONGEST_NAME {
        return Ok(());
    }
    Err(format!("may have up to {LONGEST_NAME} letters, digits and . _ - @, a letter or digit first; {name:?} has not"))
}

fn poll_every(value: &DeValue<'_>) -> Result<Duration, String> {
    let period = value::period(value)?;
    if period < SHORTEST_POLL {
        return Err("is too short for the server's sake; write \"10s\" or more".to_owned());
    }
    Ok(period)
}

fn timeout(value: &DeValue<'_>) -> Result<Duration, String> {
    let period = value::period(value)?;
    if !TIMEOUTS.contains(&period) {
        return Err("is no time to wait for a server; write \"1s\" to \"1h\"".to_owned());
    }
    Ok(period)
}

fn after_archive(value: &DeValue<'_>) -> Result<AfterArchive, String> {
    const WORDS: [(&str, AfterArchive); 2] = [("keep", AfterArchive::Keep), ("delete", AfterArchive::Delete)];
    const FORMS: &str = "\"keep\", \"delete\" or { delete_after = \"30d\" }";
    match value {
        DeValue::String(_) => value::word(&WORDS)(value).map_err(|_| format!("must be {FORMS}")),
        DeValue::Table(table) => match (table.len(), table.get("delete_after")) {
            (1, Some(after)) => value::period(after.get_ref())
                .map(AfterArchive::DeleteAfter)
                .map_err(|sentence| format!("delete_after {sentence}")),
            _ => Err(format!("must be {FORMS}")),
        },
        other => Err(format!("must be {FORMS}, not {}", kind(other))),
    }
}

/// Whether there is what the login needs. What is there, but faulty, has been told.
fn check_login(section: &mut Section<'_, '_>, auth: Auth) {
    let [password, oauth, certificate] = ["password", "oauth", "client_cert"].map(|key| section.has(key));
    let missing = match auth {
        Auth::Gssapi | Auth::Rpop => return,
        Auth::External if certificate => return,
        Auth::External => ("auth", "auth = \"external\" needs client_cert and client_key"),
        Auth::OauthBearer | Auth::Xoauth2 if oauth => return,
        Auth::OauthBearer | Auth::Xoauth2 => ("auth", "this auth needs a table [account.oauth]"),
        Auth::Auto if password || oauth || certificate => return,
        _ if oauth => {
            ("oauth", "oauth has no use with this auth; write auth = \"auto\", \"oauthbearer\" or \"xoauth2\"")
        }
        _ if password => return,
        _ => return section.fault_at("password", &format!("password is missing; write {PASSWORD}")),
    };
    section.fault_at(missing.0, missing.1);
}

/// Keys about TLS that need each other, or exclude each other.
fn check_tls(section: &mut Section<'_, '_>, tls: TlsMode, auth: Auth) {
    for (key, other) in [("client_cert", "client_key"), ("client_key", "client_cert"), ("pin_only", "pin_sha256")] {
        if section.has(key) && !section.has(other) {
            section.fault_at(key, &format!("{key} has no use without {other}"));
        }
    }
    if section.has("pin_only") && section.has("ca_file") {
        section.fault_at("pin_only", "with pin_only = true nobody has to vouch for the server; leave ca_file out");
    }
    if tls != TlsMode::None {
        return;
    }
    for key in ["pin_sha256", "client_cert"] {
        if section.has(key) {
            section.fault_at(key, &format!("{key} has no use with tls = \"none\""));
        }
    }
    if auth == Auth::External && section.has("client_cert") {
        section.fault_at("auth", "auth = \"external\" has no use with tls = \"none\"");
    }
}

/// In small letters, without the colons that openssl puts between the octets.
fn pins(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let pins = value::texts(value)?.into_iter().map(|pin| pin.replace(':', "").to_lowercase());
    let pins: Vec<String> = pins.collect();
    let is_pin = |pin: &String| pin.len() == 64 && pin.bytes().all(|digit| digit.is_ascii_hexdigit());
    match pins.iter().find(|pin| !is_pin(pin)) {
        Some(wrong) => Err(format!(
            "holds {wrong:?}, which is no SHA-256; write the 64 hexadecimal digits of the certificate's or its key's hash"
        )),
        None => Ok(pins),
    }
}

//! The keys of the file, one function a table.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::page::{Page, Place, Section, kind, nearest};
use super::units::{parse_size, show_size};
use super::{
    Account, AfterArchive, Auth, Clamd, DeleteWhen, Import, Scan, SecretSource, Storage, TlsMode, Verify, Web, value,
};

pub(super) const TLS: [(&str, TlsMode); 3] =
    [("implicit", TlsMode::Implicit), ("starttls", TlsMode::StartTls), ("none", TlsMode::None)];
pub(super) const AUTH: [(&str, Auth); 3] = [("auto", Auth::Auto), ("user", Auth::User), ("plain", Auth::Plain)];
pub(super) const DELETE_WHEN: [(&str, DeleteWhen); 3] =
    [("kept", DeleteWhen::Kept), ("scanned", DeleteWhen::Scanned), ("indexed", DeleteWhen::Indexed)];

/// Mechanisms that the file may come to name one day; until then they are refused by name.
const AUTH_NOT_BUILT: [&str; 10] = [
    "apop",
    "login",
    "cram-md5",
    "scram-sha-1",
    "scram-sha-256",
    "oauthbearer",
    "xoauth2",
    "gssapi",
    "external",
    "rpop",
];

const SHORTEST_POLL: Duration = Duration::from_secs(10);
const LONGEST_NAME: usize = 64;
/// A quarter of it has to carry the catalog and the index for a while.
const LEAST_RESERVE: u64 = 1 << 20;
const PASSWORD: &str = "password = { file = \"/path\" }, { env = \"NAME\" }, { command = [\"program\", \"argument\"] } \
                        or { credential = \"name\" }";

/// What the file says: the data folder only where it stands there, all else with defaults filled in. Meaningful only
/// if the page has no faults afterwards.
pub(super) struct Written {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) accounts: Vec<Account>,
    pub(super) storage: Storage,
    pub(super) verify: Verify,
    pub(super) scan: Scan,
    pub(super) web: Web,
    pub(super) import: Import,
}

/// Reads the whole document. Relative paths start at `folder`.
pub(super) fn document<'d>(page: &mut Page<'d>, document: &'d DeTable<'d>, folder: &Path) -> Written {
    let mut top = page.section(Place { table: Some(document), span: 0..0 }, "", String::new());
    let data_dir = top.optional("data_dir", value::path(folder));
    let accounts = top.tables("account");
    let storage = top.table("storage");
    let verify = top.table("verify");
    let (scan, web, import) = (top.table("scan"), top.table("web"), top.table("import"));
    top.finish();
    Written {
        data_dir,
        accounts: read_accounts(page, &accounts, folder),
        storage: read_storage(page, storage),
        verify: read_verify(page, verify),
        scan: read_scan(page, scan, folder),
        web: read_web(page, web),
        import: read_import(page, import, folder),
    }
}

fn read_accounts<'d>(page: &mut Page<'d>, places: &[Place<'d>], folder: &Path) -> Vec<Account> {
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
pub(super) fn account_path(number: usize) -> String {
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
    let password = section.required("password", PASSWORD, password(folder));
    let auth = section.optional("auth", auth).unwrap_or(Auth::Auto);
    let ca_file = section.optional("ca_file", value::existing_file(folder));
    let pin_sha256 = section.optional("pin_sha256", no_pins).unwrap_or_default();
    let tls_server_name = section.optional("tls_server_name", value::host);
    let poll_every = section.optional("poll_every", poll_every).unwrap_or(Duration::from_mins(5));
    let after_archive = section.optional("after_archive", after_archive).unwrap_or(AfterArchive::Keep);
    let delete_when = section.optional("delete_when", value::word(&DELETE_WHEN)).unwrap_or(DeleteWhen::Scanned);
    let max_message_bytes = section.optional("max_message_bytes", value::size).unwrap_or(256 << 20);
    let multidrop = section.optional("multidrop", no_multidrop).unwrap_or(false);
    Some(Account {
        name: name?,
        host: host?,
        port: port.unwrap_or(if tls == TlsMode::Implicit { 995 } else { 110 }),
        tls,
        allow_cleartext,
        user: user?,
        password: password?,
        auth,
        ca_file,
        pin_sha256,
        tls_server_name,
        poll_every,
        after_archive,
        delete_when,
        max_message_bytes,
        multidrop,
    })
}

fn read_storage<'d>(page: &mut Page<'d>, place: Place<'d>) -> Storage {
    let mut section = page.section(place, "storage.", "[storage]".to_owned());
    let reserve = section.optional("reserve", reserve);
    section.finish();
    Storage { reserve: reserve.unwrap_or(64 << 20) }
}

fn read_scan<'d>(page: &mut Page<'d>, place: Place<'d>, folder: &Path) -> Scan {
    let mut section = page.section(place, "scan.", "[scan]".to_owned());
    let clamd = section.optional("clamd", clamd).unwrap_or(Clamd::Managed);
    let database_dir = section.optional("database_dir", value::path(folder));
    section.finish();
    Scan { clamd, database_dir: database_dir.unwrap_or_else(|| PathBuf::from("/var/lib/clamav")) }
}

fn read_web<'d>(page: &mut Page<'d>, place: Place<'d>) -> Web {
    let mut section = page.section(place, "web.", "[web]".to_owned());
    let listen = section.optional("listen", listen);
    section.finish();
    Web { listen: listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8025))) }
}

fn read_import<'d>(page: &mut Page<'d>, place: Place<'d>, folder: &Path) -> Import {
    let mut section = page.section(place, "import.", "[import]".to_owned());
    let drop_folder = section.optional("drop_folder", |written| {
        value::path(folder)(written)?;
        Err("is not built yet; leave it out, and use `poplar import PATH`".to_owned())
    });
    section.finish();
    Import { drop_folder }
}

fn account_name(value: &DeValue<'_>) -> Result<String, String> {
    let name = value::text(value)?;
    let letters = name.chars().all(|letter| letter.is_alphanumeric() || "._-@".contains(letter));
    let first = name.chars().next().is_some_and(char::is_alphanumeric);
    if letters && first && name.chars().count() <= LONGEST_NAME {
        return Ok(name);
    }
    Err(format!("may have up to {LONGEST_NAME} letters, digits and . _ - @, a letter or digit first; {name:?} has not"))
}

/// A table with exactly one of the four keys.
fn password(folder: &Path) -> impl Fn(&DeValue<'_>) -> Result<SecretSource, String> {
    move |value| {
        let table = match value {
            DeValue::Table(table) => table,
            DeValue::String(_) => return Err(format!("must not stand in this file itself; write {PASSWORD}")),
            other => return Err(format!("must be a table, not {}; write {PASSWORD}", kind(other))),
        };
        let mut entries = table.iter();
        let (Some((key, entry)), None) = (entries.next(), entries.next()) else {
            return Err(format!("must come from exactly one place; write {PASSWORD}"));
        };
        let (key, entry) = (key.get_ref().as_ref(), entry.get_ref());
        secret_source(key, entry, folder).map_err(|sentence| format!("{key} {sentence}"))
    }
}

fn secret_source(key: &str, entry: &DeValue<'_>, folder: &Path) -> Result<SecretSource, String> {
    match key {
        "file" => value::path(folder)(entry).map(SecretSource::File),
        "env" => match value::text(entry)? {
            name if name.contains('=') => Err(format!("= {name:?} is no name of a variable")),
            name => Ok(SecretSource::Env(name)),
        },
        "command" => match value::texts(entry) {
            Ok(words) if !words.is_empty() => Ok(SecretSource::Command(words)),
            _ => Err("must be a list of the program and its arguments, [\"pass\", \"show\", \"sales\"]".to_owned()),
        },
        "credential" => match value::text(entry)? {
            name if name.contains('/') || name == "." || name == ".." => {
                Err(format!("= {name:?} is no name of a systemd credential; write the name in LoadCredential="))
            }
            name => Ok(SecretSource::Credential(name)),
        },
        other => {
            let meant = nearest(other, ["file", "env", "command", "credential"].into_iter());
            let hint = meant.map_or_else(|| format!("write {PASSWORD}"), |near| format!("did you mean {near:?}?"));
            Err(format!("is not a place for a password; {hint}"))
        }
    }
}

fn auth(value: &DeValue<'_>) -> Result<Auth, String> {
    let written = value::text(value)?;
    if AUTH_NOT_BUILT.contains(&written.as_str()) {
        return Err(format!("= {written:?} is not built yet; use auto, user or plain"));
    }
    value::word(&AUTH)(value)
}

fn poll_every(value: &DeValue<'_>) -> Result<Duration, String> {
    let period = value::period(value)?;
    if period < SHORTEST_POLL {
        return Err("is too short for the server's sake; write \"10s\" or more".to_owned());
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

fn read_verify<'d>(page: &mut Page<'d>, place: Place<'d>) -> Verify {
    let mut section = page.section(place, "verify.", "[verify]".to_owned());
    let every = section.optional("every", period_or_never);
    let rate = section.optional("rate", value::size);
    let drill_every = section.optional("drill_every", period_or_never);
    section.finish();
    let month = Duration::from_secs(30 * 24 * 3600);
    Verify {
        every: every.unwrap_or(Some(month)),
        rate: rate.unwrap_or(20 << 20),
        drill_every: drill_every.unwrap_or(None),
    }
}

fn period_or_never(value: &DeValue<'_>) -> Result<Option<Duration>, String> {
    match value {
        DeValue::String(word) if word == "never" => Ok(None),
        _ => match value::period(value)? {
            Duration::ZERO => Err("is no time at all; write \"never\", or for example \"30d\"".to_owned()),
            period => Ok(Some(period)),
        },
    }
}

/// A size, or nothing at all.
fn reserve(value: &DeValue<'_>) -> Result<u64, String> {
    let none = matches!(value, DeValue::String(written) if parse_size(written) == Some(0) || written == "0");
    match if none { 0 } else { value::size(value)? } {
        few if 0 < few && few < LEAST_RESERVE => {
            Err(format!("is too small to be of use; write \"{}\" or more, or \"0\" for none", show_size(LEAST_RESERVE)))
        }
        octets => Ok(octets),
    }
}

fn clamd(value: &DeValue<'_>) -> Result<Clamd, String> {
    let written = value::text(value)?;
    let is_address = match written.split_once(':') {
        Some(("unix", path)) => path.starts_with('/'),
        Some(("tcp", address)) => address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)),
        _ => false,
    };
    match written.as_str() {
        "managed" => Ok(Clamd::Managed),
        _ if is_address => Ok(Clamd::Address(written)),
        _ => Err("must be \"managed\", \"unix:/path/to/socket\" or \"tcp:host:port\"".to_owned()),
    }
}

fn listen(value: &DeValue<'_>) -> Result<SocketAddr, String> {
    let written = value::text(value)?;
    written.parse().map_err(|_| format!("= {written:?} is no IP address with a port; write \"127.0.0.1:8025\""))
}

fn no_pins(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let pins = value::texts(value)?;
    if pins.is_empty() { Ok(pins) } else { Err("is not built yet; leave it out, and use ca_file".to_owned()) }
}

fn no_multidrop(value: &DeValue<'_>) -> Result<bool, String> {
    if value::flag(value)? { Err("= true is not built yet; leave it out".to_owned()) } else { Ok(false) }
}

//! The keys of the file, one function a table.
//! Knows nothing about where a value stands in the text, or what comes from elsewhere than the file.

mod account;
mod oauth;
mod secret;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::page::{Page, Place};
use super::units::{parse_size, show_size};
use super::{Account, Clamd, Import, Polling, Quarantine, Scan, Search, Storage, Verify, Web, value};
use crate::mail::text::Stemming;
use crate::mail::{SignatureFamilies, Verdict};
pub use account::check_name;
pub(super) use account::{AUTH, DELETE_WHEN, TLS, account_path};
pub use oauth::check_url;
pub(super) use oauth::{GRANT, PRESET};

/// A quarter of it has to carry the catalog and the index for a while.
const LEAST_RESERVE: u64 = 1 << 20;
/// What the file says: the data folder only where it stands there, all else with defaults filled in. Meaningful only
/// if the page has no faults afterwards.
pub(super) struct Written {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) accounts: Vec<Account>,
    pub(super) polling: Polling,
    pub(super) storage: Storage,
    pub(super) verify: Verify,
    pub(super) scan: Scan,
    pub(super) search: Search,
    pub(super) quarantine: Quarantine,
    pub(super) web: Web,
    pub(super) import: Import,
}

/// Reads the whole document. Relative paths start at `folder`.
pub(super) fn document<'d>(page: &mut Page<'d>, document: &'d DeTable<'d>, folder: &Path) -> Written {
    let mut top = page.section(Place { table: Some(document), span: 0..0 }, "", String::new());
    let data_dir = top.optional("data_dir", value::path(folder));
    let accounts = top.tables("account");
    let polling = top.table("polling");
    let storage = top.table("storage");
    let verify = top.table("verify");
    let (scan, search, quarantine) = (top.table("scan"), top.table("search"), top.table("quarantine"));
    let (web, import) = (top.table("web"), top.table("import"));
    top.finish();
    Written {
        data_dir,
        accounts: account::read_accounts(page, &accounts, folder),
        polling: read_polling(page, polling),
        storage: read_storage(page, storage),
        verify: read_verify(page, verify),
        scan: read_scan(page, scan, folder),
        search: read_search(page, search),
        quarantine: read_quarantine(page, quarantine),
        web: read_web(page, web),
        import: read_import(page, import, folder),
    }
}

fn read_polling<'d>(page: &mut Page<'d>, place: Place<'d>) -> Polling {
    let mut section = page.section(place, "polling.", "[polling]".to_owned());
    let max_sessions = section.optional("max_sessions", value::count);
    let max_sessions_per_host = section.optional("max_sessions_per_host", value::count);
    let alarm_after = section.optional("alarm_after", period_or_never);
    section.finish();
    Polling {
        max_sessions: max_sessions.unwrap_or(8),
        max_sessions_per_host: max_sessions_per_host.unwrap_or(4),
        alarm_after: alarm_after.unwrap_or(Some(Duration::from_hours(24))),
    }
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
    let families = section.optional("families", families);
    section.finish();
    Scan {
        clamd,
        database_dir: database_dir.unwrap_or_else(|| PathBuf::from("/var/lib/clamav")),
        families: families.unwrap_or_default(),
    }
}

fn read_search<'d>(page: &mut Page<'d>, place: Place<'d>) -> Search {
    let mut section = page.section(place, "search.", "[search]".to_owned());
    let stemming = section.optional("stemming", stemming);
    section.finish();
    Search { stemming: stemming.unwrap_or_default() }
}

fn read_quarantine<'d>(page: &mut Page<'d>, place: Place<'d>) -> Quarantine {
    let mut section = page.section(place, "quarantine.", "[quarantine]".to_owned());
    let four_eyes = section.optional("four_eyes", value::flag);
    section.finish();
    Quarantine { four_eyes: four_eyes.unwrap_or(false) }
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
    const FORMS: &str =
        "must be \"managed\", \"unix:/path/to/socket\" or \"tcp:host:port\", or a list of such addresses";
    let address = |value: &DeValue<'_>| value::text(value).ok().filter(|written| is_clamd_address(written));
    match value {
        DeValue::String(word) if word == "managed" => Ok(Clamd::Managed),
        DeValue::Array(listed) if !listed.is_empty() => {
            let addresses: Option<Vec<String>> = listed.iter().map(|listed| address(listed.get_ref())).collect();
            addresses.map(Clamd::Addresses).ok_or_else(|| FORMS.to_owned())
        }
        _ => address(value).map(|address| Clamd::Addresses(vec![address])).ok_or_else(|| FORMS.to_owned()),
    }
}

fn is_clamd_address(written: &str) -> bool {
    match written.split_once(':') {
        Some(("unix", path)) => path.starts_with('/'),
        Some(("tcp", address)) => address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)),
        _ => false,
    }
}

/// What the names of signatures say, by how they begin.
fn families(value: &DeValue<'_>) -> Result<SignatureFamilies, String> {
    let words = SignatureFamilies::ALLOWED.map(Verdict::as_str).join("\", \"");
    let DeValue::Table(table) = value else {
        return Err(format!("must be a table such as {{ \"PUA.\" = \"infected\" }}, with \"{words}\""));
    };
    table.iter().try_fold(SignatureFamilies::default(), |families, (beginning, word)| {
        let verdict = match word.get_ref() {
            DeValue::String(word) => word.parse().ok().filter(|verdict| SignatureFamilies::ALLOWED.contains(verdict)),
            _ => None,
        };
        let beginning: &str = beginning.get_ref();
        match verdict {
            Some(verdict) if !beginning.is_empty() => Ok(families.with(beginning, verdict)),
            Some(_) => Err("has an empty name; write how the names of signatures begin, \"PUA.\"".to_owned()),
            None => Err(format!("says no verdict of {beginning:?}; a finding is \"{words}\"")),
        }
    })
}

fn stemming(value: &DeValue<'_>) -> Result<Stemming, String> {
    let known = || Stemming::languages().collect::<Vec<_>>().join(" ");
    let form = || format!("must be a list of languages such as [\"en\", \"de\"]; there are rules for {}", known());
    let DeValue::Array(listed) = value else { return Err(form()) };
    let codes: Result<Vec<String>, String> =
        listed.iter().map(|code| value::text(code.get_ref()).map(|code| code.to_string())).collect();
    Stemming::of(&codes.map_err(|_| form())?).ok_or_else(form)
}

fn listen(value: &DeValue<'_>) -> Result<SocketAddr, String> {
    let written = value::text(value)?;
    written.parse().map_err(|_| format!("= {written:?} is no IP address with a port; write \"127.0.0.1:8025\""))
}

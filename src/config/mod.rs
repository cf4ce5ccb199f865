//! SETTINGS: file, environment and flags become final types, once.
//! Knows nothing about what is done with them, and reads a secret only when it is asked to.

mod account;
mod edit;
mod environment;
mod error;
mod load;
mod oauth;
mod page;
mod person;
mod read;
mod schema;
mod secret;
mod show;
mod units;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;

use crate::mail::SignatureFamilies;
use crate::mail::text::Stemming;

pub use crate::mail::Auth;
pub use account::{Account, AfterArchive, DeleteWhen, TlsMode};
pub use edit::{EditError, NewAccount, NewLogin, add_account, remove_account, rename_account, save};
pub use environment::Environment;
pub use error::{Error, Fault};
pub use load::{LoadOptions, Loaded, Origin, read_accounts};
pub use oauth::{Grant, Issuer, Oauth, Preset, Provider, TokenCommand, TokenFile};
pub use person::person;
pub use read::{check_name, check_url};
pub use schema::schema;
pub use secret::{Error as SecretError, SecretSource};
pub use units::{parse_period, parse_size, show_period, show_size};

/// Everything Poplar may be told. The doc comments of these types are the descriptions in
/// `schemas/config.schema.json`, and their fields are the keys of the file.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = []))]
pub struct Config {
    /// The folder of the archive: packs, journal, catalog and index. A relative path starts at the folder of this
    /// file. Default: `$XDG_DATA_HOME/poplar`, as root `/var/lib/poplar`.
    pub data_dir: PathBuf,
    /// The POP3 accounts to poll, one `[[account]]` table each.
    #[schemars(rename = "account")]
    pub accounts: Vec<Account>,
    pub polling: Polling,
    pub storage: Storage,
    pub verify: Verify,
    pub scan: Scan,
    pub search: Search,
    pub quarantine: Quarantine,
    pub web: Web,
    pub import: Import,
}

/// How the accounts are polled together.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = []))]
pub struct Polling {
    /// Sessions at one time, with all servers together: 1 to 1000.
    #[schemars(range(min = 1, max = 1000), extend("default" = 8))]
    pub max_sessions: usize,
    /// Sessions at one time with the same host: 1 to 1000.
    #[schemars(range(min = 1, max = 1000), extend("default" = 4))]
    pub max_sessions_per_host: usize,
    /// An account that no poll has succeeded with for longer than this is warned of; `never` turns it off.
    #[schemars(with = "String", extend("default" = "1d", "pattern" = "^(never|[0-9]+[smhd])$"))]
    pub alarm_after: Option<Duration>,
}

/// The disk under the archive.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = []))]
pub struct Storage {
    /// Room set aside on the disk of the archive. With less than this free beside it, polling pauses; all else goes on.
    /// At least `1MiB`; `"0"` turns it off.
    #[schemars(with = "String", extend("default" = "64MiB", "pattern" = "^(0|[0-9]+(B|kB|KB|KiB|MB|MiB|GB|GiB))$"))]
    pub reserve: u64,
}

/// How what is kept is looked after.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = []))]
pub struct Verify {
    /// Every pack is read and hashed at least this often by the daemon, catalog, journal and index every day; `never`
    /// turns it off.
    #[schemars(with = "String", extend("default" = "30d", "pattern" = "^(never|[0-9]+[smhd])$"))]
    pub every: Option<Duration>,
    /// At most so much of mail and records in a second.
    #[schemars(with = "String", extend("default" = "20MiB", "pattern" = "^[0-9]+(B|kB|KB|KiB|MB|MiB|GB|GiB)$"))]
    pub rate: u64,
    /// How often a rebuild of the catalog is rehearsed and compared with the living one; `never` turns it off.
    #[schemars(with = "String", extend("default" = "never", "pattern" = "^(never|[0-9]+[smhd])$"))]
    pub drill_every: Option<Duration>,
}

/// How mail is scanned.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = []))]
pub struct Scan {
    /// `managed`: Poplar starts and supervises a clamd of its own. `unix:/path` or `tcp:host:port`: one that runs. A list
    /// of such addresses: the first that works is used.
    #[schemars(schema_with = "clamd_schema")]
    pub clamd: Clamd,
    /// The folder of the ClamAV signatures, for the managed clamd.
    #[schemars(extend("default" = "/var/lib/clamav"))]
    pub database_dir: PathBuf,
    /// What the names of signatures say, by how they begin: `partial`, `encrypted`, `suspicious` or `infected`. The longest
    /// beginning that fits counts, and a name that none fits is `infected`.
    #[schemars(with = "std::collections::BTreeMap<String, Finding>")]
    pub families: SignatureFamilies,
}

/// How mail is searched.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = []))]
pub struct Search {
    /// Languages whose rules tell which words are forms of one: a word finds the others too, where it is not in quotes. By
    /// code: ar da de el en es fi fr hu it nl no pt ro ru sv ta tr. Default: none, and a word finds itself alone.
    #[schemars(with = "Vec<String>", extend("default" = Vec::<String>::new()))]
    pub stemming: Stemming,
}

/// What a finding may be said to be.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[expect(dead_code, reason = "it only tells the schema which words there are")]
enum Finding {
    Partial,
    Encrypted,
    Suspicious,
    Infected,
}

fn clamd_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let address = "^(unix:/.+|tcp:.+:[0-9]+)$";
    schemars::json_schema!({
        "anyOf": [
            { "type": "string", "pattern": "^(managed|unix:/.+|tcp:.+:[0-9]+)$" },
            { "type": "array", "minItems": 1, "items": { "type": "string", "pattern": address } },
        ],
        "default": "managed",
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clamd {
    Managed,
    /// `unix:/path` or `tcp:host:port`, checked to have one of these forms; at least one, the first that works is used.
    Addresses(Vec<String>),
}

/// What is sealed off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = []))]
pub struct Quarantine {
    /// A release needs two persons: one who asks for it, and another who does the same.
    #[schemars(extend("default" = false))]
    pub four_eyes: bool,
}

/// The web pages and the API.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = []))]
pub struct Web {
    /// Address and port to listen on.
    #[schemars(with = "String", extend("default" = "127.0.0.1:8025"))]
    pub listen: SocketAddr,
}

/// Mail that comes as files.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = []))]
pub struct Import {
    /// Mail files placed here are archived and moved to `done/` or `failed/`. Not built yet: refused.
    #[schemars(with = "PathBuf")]
    pub drop_folder: Option<PathBuf>,
}

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;

use super::SecretSource;

/// One mailbox on a POP3 server.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = ["name", "host", "user", "password"]))]
pub struct Account {
    /// What the account is called in the archive, on the screen and in `account:` searches: 1 to 64 letters, digits
    /// and `. _ - @`, a letter or digit first. Changing it later begins a new account.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[\\p{L}\\p{N}][\\p{L}\\p{N}._@-]*$"))]
    pub name: String,
    /// The server's name or IP address, without a port.
    #[schemars(length(min = 1))]
    pub host: String,
    /// Default: 995 with `tls = "implicit"`, else 110.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// How the line is protected.
    #[schemars(extend("default" = "implicit"))]
    pub tls: TlsMode,
    /// Has to stand beside `tls = "none"`, and lets `auth = "auto"` send user and password over a line that anybody on
    /// the way can read. With any other `tls` it changes nothing.
    #[schemars(extend("default" = false))]
    pub allow_cleartext: bool,
    /// The login name, as the server wants it.
    #[schemars(length(min = 1))]
    pub user: String,
    /// Where the password comes from. It never stands in this file.
    pub password: SecretSource,
    /// How to log in.
    #[schemars(extend("default" = "auto"))]
    pub auth: Auth,
    /// A PEM file with the only authorities this account trusts. Default: those of the operating system.
    #[schemars(with = "PathBuf")]
    pub ca_file: Option<PathBuf>,
    /// SHA-256 hashes of the server keys to accept. Not built yet: refused.
    #[schemars(extend("default" = []))]
    pub pin_sha256: Vec<String>,
    /// The name the server's certificate must carry. Default: `host`.
    #[schemars(with = "String")]
    pub tls_server_name: Option<String>,
    /// The time from the end of one poll to the next, at least `10s`.
    #[schemars(with = "String", extend("default" = "5m", "pattern" = "^[0-9]+[smhd]$"))]
    pub poll_every: Duration,
    /// What becomes of a message on the server once it is archived.
    #[schemars(extend("default" = "keep"))]
    pub after_archive: AfterArchive,
    /// How far a message must be before it may be deleted on the server.
    #[schemars(extend("default" = "scanned"))]
    pub delete_when: DeleteWhen,
    /// Larger messages stay on the server and are reported.
    #[schemars(with = "String", extend("default" = "256MiB", "pattern" = "^[0-9]+(B|kB|KB|KiB|MB|MiB|GB|GiB)$"))]
    pub max_message_bytes: u64,
    /// A mailbox that collects the mail of many. Not built yet: `true` is refused.
    #[schemars(extend("default" = false))]
    pub multidrop: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum TlsMode {
    /// TLS from the first octet (RFC 8314).
    Implicit,
    /// Begins in clear and changes to TLS by STLS (RFC 2595), or the session ends.
    StartTls,
    /// No TLS; `allow_cleartext = true` has to stand beside it.
    None,
}

/// The login methods that are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Auth {
    /// The best one that the server offers and that is safe on this line.
    Auto,
    /// USER and PASS (RFC 1939).
    User,
    /// SASL PLAIN (RFC 4616, RFC 5034).
    Plain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum AfterArchive {
    /// It stays.
    Keep,
    /// It is deleted as soon as `delete_when` allows.
    Delete,
    /// It is deleted this long after it was archived.
    DeleteAfter(#[schemars(with = "String")] Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum DeleteWhen {
    /// Its octets and its record are durable.
    Kept,
    /// It has a final verdict.
    Scanned,
    /// It can be found by a search.
    Indexed,
}

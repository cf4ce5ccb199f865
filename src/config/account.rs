use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;

use super::{Oauth, SecretSource};
use crate::mail::Auth;

/// One mailbox on a POP3 server.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = ["name", "host", "user"]))]
pub struct Account {
    /// What the account is called in the archive, on the screen and in `account:` searches: 1 to 64 letters, digits
    /// and `. _ - @`, a letter or digit first. `poplar account rename` changes it; changed by hand it begins a new account.
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
    /// the way can read. With any other `tls` only `auth = "rpop"` needs it.
    #[schemars(extend("default" = false))]
    pub allow_cleartext: bool,
    /// The login name, as the server wants it.
    #[schemars(length(min = 1))]
    pub user: String,
    /// Where the password comes from. It never stands in this file. May be left out where the login needs none.
    #[schemars(with = "SecretSource")]
    pub password: Option<SecretSource>,
    /// Where access tokens come from, for providers that take no passwords: a table `[account.oauth]`.
    #[schemars(with = "Oauth")]
    pub oauth: Option<Oauth>,
    /// How to log in.
    #[schemars(extend("default" = "auto"))]
    pub auth: Auth,
    /// A PEM file with the only authorities this account trusts. Default: those of the operating system.
    #[schemars(with = "PathBuf")]
    pub ca_file: Option<PathBuf>,
    /// SHA-256 hashes, in hexadecimal, of server certificates or of the keys in them (SubjectPublicKeyInfo). The
    /// server's must be one of these, and an authority must vouch for it as well.
    #[schemars(extend("default" = []))]
    pub pin_sha256: Vec<String>,
    /// `true`: a pin is enough; nobody has to vouch for the server, for its name, or for its dates.
    #[schemars(extend("default" = false))]
    pub pin_only: bool,
    /// A certificate to show to the server: a PEM file with the chain, our own first.
    #[schemars(with = "PathBuf")]
    pub client_cert: Option<PathBuf>,
    /// The PEM file of its key, readable by its owner only.
    #[schemars(with = "PathBuf")]
    pub client_key: Option<PathBuf>,
    /// The name the server's certificate must carry. Default: `host`.
    #[schemars(with = "String")]
    pub tls_server_name: Option<String>,
    /// The time from the end of one poll to the next, at least `10s`.
    #[schemars(with = "String", extend("default" = "5m", "pattern" = "^[0-9]+[smhd]$"))]
    pub poll_every: Duration,
    /// How long the server may say nothing before it is given up: `1s` to `1h`. Half of it is for the greeting and for
    /// the login as a whole. A server that sends a little all the time gets two and a half times as long for 4 KiB.
    #[schemars(with = "String", extend("default" = "2m", "pattern" = "^[0-9]+[smhd]$"))]
    pub timeout: Duration,
    /// What becomes of a message on the server once it is archived.
    #[schemars(extend("default" = "keep"))]
    pub after_archive: AfterArchive,
    /// How far a message must be before it may be deleted on the server.
    #[schemars(extend("default" = "scanned"))]
    pub delete_when: DeleteWhen,
    /// Larger messages stay on the server and are reported.
    #[schemars(with = "String", extend("default" = "256MiB", "pattern" = "^[0-9]+(B|kB|KB|KiB|MB|MiB|GB|GiB)$"))]
    pub max_message_bytes: u64,
    /// A mailbox that collects the mail of many: whom a message was for is read from its envelope headers, or from the
    /// journal report around it, and is searchable with `to:` and `with:`.
    #[schemars(extend("default" = false))]
    pub multidrop: bool,
}

impl Account {
    /// Names the mailbox: a server gives it to one session at a time (RFC 1939 section 4), whatever accounts it has here.
    pub fn mailbox(&self) -> String {
        format!("{}:{} {}", self.host.to_lowercase(), self.port, self.user)
    }
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

impl Account {
    /// Every secret that has to be there before somebody logs in, with the path of its key in the account.
    pub(super) fn secrets(&self) -> Vec<(&'static str, SecretSource)> {
        let mut secrets = Vec::new();
        secrets.extend(self.password.clone().map(|source| ("password", source)));
        secrets.extend(self.client_key.clone().map(|file| ("client_key", SecretSource::File(file))));
        if let Some(Oauth::Provider(provider)) = &self.oauth {
            secrets.extend(provider.client_secret.clone().map(|source| ("oauth.client_secret", source)));
            let token = provider.refresh_token.clone().map(|token| SecretSource::File(token.file));
            secrets.extend(token.map(|source| ("oauth.refresh_token", source)));
        }
        secrets
    }
}

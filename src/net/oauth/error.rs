use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::net::http;

/// Why there is no token. No sentence holds one, nor a client's secret.
#[derive(Debug, thiserror::Error)]
#[error("no access token from {place}: {cause}")]
pub struct Error {
    /// The address or the command that was asked.
    pub place: String,
    pub cause: Cause,
}

#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error("{}{}", .0, again(.0))]
    Http(#[from] http::Error),
    #[error("the server is in trouble or asked too often (HTTP {status}). It will be tried again")]
    Busy { status: u16 },
    #[error("this is not what OAuth answers (HTTP {status}). Check the address")]
    Status { status: u16 },
    #[error("the answer cannot be read as one of OAuth. It will be tried again; check the address if this stays")]
    Garbage,
    #[error("the token holds a space, a line end or another octet that no token may have. It is not used")]
    Unsendable,
    #[error("{0}")]
    Denied(Denial),
    #[error("it has no device sign-in that ends in a refresh token. Set device_url and a file for the refresh token")]
    NoSignIn,
    #[error("the sign-in brought no refresh token. Add offline_access, or what the provider calls it, to scope")]
    NoRefreshToken,
    #[error("nobody signed in before the code ran out. Start the sign-in again")]
    SignInExpired,
    #[error("the file of the refresh token {} {}", .file.display(), why(.source))]
    Read { file: PathBuf, source: io::Error },
    #[error("the file of the refresh token {} holds no token. Sign in again with poplar account login", .file.display())]
    Empty { file: PathBuf },
    #[error("the new refresh token cannot be stored in {}: {source}. Make room there, or correct the folder", .file.display())]
    Store { file: PathBuf, source: io::Error },
    #[error("it cannot be run: {0}. Check its path and mode")]
    Start(io::Error),
    #[error("it failed ({status}){}", quoted(.said))]
    Failed { status: ExitStatus, said: String },
    #[error("it did not end within {} s; it may be waiting for input", .0.as_secs_f32())]
    Hung(Duration),
    #[error("it printed no token{}", quoted(.said))]
    Nothing { said: String },
    #[error("another process has been renewing the token for {} s. It will be tried again", .0.as_secs())]
    Renewing(Duration),
    #[error("poplar is stopping")]
    Stopping,
}

/// What the provider answered instead of a token (RFC 6749 section 5.2, RFC 8628 section 3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// `invalid_grant` and the like.
    pub code: String,
    /// The provider's own sentence, without control characters and without anything secret; may be empty.
    pub description: String,
}

impl Error {
    /// Whether somebody has to sign in again before there is another token.
    pub fn wants_a_person(&self) -> bool {
        matches!(&self.cause, Cause::Denied(denial) if denial.wants_a_person())
    }

    /// Whether the same attempt may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match &self.cause {
            Cause::Http(error) => error.is_transient(),
            Cause::Stopping | Cause::Renewing(_) | Cause::Busy { .. } | Cause::Garbage | Cause::Store { .. } => true,
            Cause::Start(_) | Cause::Failed { .. } | Cause::Hung(_) | Cause::Nothing { .. } => true,
            Cause::Denied(denial) => denial.is_transient(),
            Cause::Status { .. } | Cause::Unsendable => false,
            Cause::NoSignIn | Cause::NoRefreshToken | Cause::SignInExpired => false,
            Cause::Read { .. } | Cause::Empty { .. } => false,
        }
    }
}

impl Denial {
    fn wants_a_person(&self) -> bool {
        matches!(self.code.as_str(), "invalid_grant" | "interaction_required" | "consent_required" | "login_required")
    }

    fn is_transient(&self) -> bool {
        matches!(self.code.as_str(), "temporarily_unavailable" | "server_error" | "authorization_pending" | "slow_down")
    }

    fn advice(&self) -> &'static str {
        match self.code.as_str() {
            "invalid_grant" => {
                "The refresh token is no longer accepted: it expired, was revoked, or the password was changed. \
                 Sign in again with poplar account login"
            }
            "invalid_client" => "Check client_id and client_secret; a secret may have expired",
            "unauthorized_client" => {
                "The provider does not let this client ask in this way. Check client_id, and what its registration allows"
            }
            "invalid_scope" => "Check scope, and that the registration of the client allows it",
            "access_denied" => "Whoever was asked said no. Start the sign-in again, and allow it",
            "expired_token" => "Nobody signed in before the code ran out. Start the sign-in again",
            "interaction_required" | "consent_required" | "login_required" => {
                "The provider wants to see a person. Sign in again with poplar account login"
            }
            _ if self.is_transient() => "It will be tried again",
            _ => "Check client_id, client_secret and scope with the provider",
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it answers {}{}. {}", self.code, quoted(&self.description), self.advice())
    }
}

const fn again(error: &http::Error) -> &'static str {
    match error {
        http::Error::Deadline(_) | http::Error::Lost(_) => ". It will be tried again",
        http::Error::TooLong { .. } => ". It will be tried again; check the address if this stays",
        _ => "",
    }
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(" ({said})") }
}

fn why(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::NotFound => "does not exist. Sign in first, with poplar account login".to_owned(),
        _ => format!("cannot be used: {source}"),
    }
}

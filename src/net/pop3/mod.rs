//! A POP3 session over TCP and TLS: drives [`crate::proto::pop3`], keeps its deadlines, says in sentences what failed.
//! Knows nothing about accounts, the archive, or which message is wanted.

mod connect;
mod connection;
mod error;
mod kerberos;
mod pace;
mod session;

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

pub use crate::proto::pop3::{
    Auth, Capabilities, ChannelBinding, Code, Credentials, Expire, Listed, Listing, Login, Reply, Retrieve,
    SecurityContext, SecurityContexts, Status,
};
pub use error::{Cause, Class, Error, Phase};
pub use pace::Pace;
pub use session::{Deleted, Quit, Retrieved, Session};

/// Where the server is.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// The name the certificate must be for, where it is not `host`.
    pub tls_server_name: Option<String>,
}

#[derive(Clone, Debug)]
pub enum Tls {
    /// TLS from the first octet (RFC 8314), port 995.
    Implicit(Arc<ClientConfig>),
    /// STLS before anything is said about who logs in (RFC 2595), port 110.
    StartTls(Arc<ClientConfig>),
    None,
}

/// How long each thing may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// To one address.
    pub connect: Duration,
    pub tls: Duration,
    pub greeting: Duration,
    /// From the greeting to the logged-in session. Servers wait for locks here.
    pub login: Duration,
    /// Until the first octet of a listing: servers with 100,000 messages think for long.
    pub listing: Duration,
    /// Between two arrivals of octets.
    pub idle: Duration,
    /// For each [`Pace::OCTETS`] of a reply, however they are spread, or for its end.
    pub pace: Duration,
}

impl Deadlines {
    /// For a server that may say nothing for so long.
    pub fn within(timeout: Duration) -> Self {
        Self {
            connect: timeout.min(Duration::from_secs(20)),
            tls: timeout.min(Duration::from_secs(20)),
            greeting: timeout / 2,
            login: timeout / 2,
            listing: timeout,
            idle: timeout,
            pace: timeout * 5 / 2,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::within(Duration::from_secs(120))
    }
}

//! SOCKETS: drives `proto/` over tokio and rustls, asks for OAuth tokens, Kerberos tickets and small files. Deadlines live here.
//! Knows nothing about the archive.

pub mod clamd;
pub mod dns;
pub mod gssapi;
pub mod http;
pub mod oauth;
pub mod pop3;
pub mod probe;
pub mod tls;

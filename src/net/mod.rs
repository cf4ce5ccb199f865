//! SOCKETS: drives `proto/` over tokio and rustls. Deadlines live here.
//! Knows nothing about the archive.

pub mod clamd;
pub mod pop3;
pub mod tls;

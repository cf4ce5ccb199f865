//! WIRES: protocols as state machines. Bytes in, steps out.
//! Knows nothing about tokio, sockets, files, clocks or logs.

pub mod clamd;
pub mod dns;
pub mod pop3;

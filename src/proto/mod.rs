//! WIRES: protocols as state machines. Bytes in, steps out. And what is found where, to be read.
//! Knows nothing about tokio, sockets, files, clocks or logs.

pub mod autoconfig;
pub mod clamd;
pub mod dns;
pub mod pop3;

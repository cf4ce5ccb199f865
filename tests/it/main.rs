//! The one integration binary.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests lay files, speak to sockets as outsiders do, and fail by panicking"
)]

mod architecture;
mod autoconfig;
mod clamd;
mod config;
mod crash;
mod documents;
mod dovecot;
mod extract;
mod faults;
mod flips;
mod index;
mod journal;
mod journal_format;
mod json_schemas;
mod kerberos;
mod message;
#[cfg(feature = "mutants")]
mod mutants;
mod oauth;
mod pop3_courier;
mod pop3_dialogs;
mod pop3_dovecot;
mod pop3_net;
mod pop3_tls;
mod query;
mod rebuild;
mod sealed_format;
mod search_oracle;
mod spine;
mod store_format;
mod support;
mod views;
mod write_order;

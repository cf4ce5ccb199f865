//! COMPOSITION: one file per thing the program can do that needs more than `archive/`.
//! Knows nothing about arguments and screens.

pub mod account;
pub mod account_test;
mod alarm;
pub mod backup;
pub mod clamd;
pub mod demo;
pub mod discover;
pub mod fetch;
pub mod import;
mod marks;
pub mod owner;
pub mod plan;
mod polling;
pub mod pop3_server;
pub mod purge;
pub mod rebuild;
pub mod requests;
pub mod rescan;
pub mod reserve;
pub mod restore;
mod roster;
pub mod run;
mod schedule;
mod scrub;
pub mod seal;
pub mod sign_in;
mod watched;

pub use crate::pipeline::{Progress, Shortage};

use crate::catalog;

/// Whether what failed here may succeed later without a person changing anything: another process was writing to the
/// catalog, or there was no room for it.
pub fn is_transient(error: &anyhow::Error) -> bool {
    let catalog = match error.downcast_ref() {
        Some(owner::Error::Catalog(error)) => Some(error),
        _ => error.downcast_ref::<catalog::Error>(),
    };
    catalog.is_some_and(catalog::Error::is_transient)
}

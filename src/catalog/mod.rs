//! FACTS: messages, sightings, verdicts and the work that is due, in SQLite. Owns all SQL.
//! Knows nothing about packs' insides, sockets or search, and does not log.

mod accounts;
mod apply;
mod commit;
mod error;
mod ledger;
mod messages;
mod open;
mod requests;
#[cfg(test)]
mod tests;
mod work;

pub use accounts::Account;
pub use commit::{Committed, Half, PackExtent, Recorded, Told};
pub use error::Error;
pub use ledger::{Archived, Known};
pub use messages::{Attachment, MessageRow, MetAt, Summary, VerdictRow};
pub use open::Catalog;
pub use requests::{Asked, Owner, Request};
pub use work::{Backlog, Stage, Task};

//! FACTS: messages, sightings, verdicts and the work that is due, in SQLite. Owns all SQL.
//! Knows nothing about packs' insides, sockets or search, and does not log.

mod accounts;
mod apply;
mod check;
mod checks;
mod commit;
mod compare;
mod dialog;
mod documents;
mod error;
mod fingerprint;
mod history;
mod ledger;
mod messages;
mod open;
mod outbox;
mod packs;
mod purge;
mod quarantine;
mod rebuild;
mod requests;
mod rescan;
mod said;
mod snapshot;
#[cfg(test)]
mod tests;
mod threads;
mod work;

pub use accounts::{Account, ServerFacts, Trouble};
pub use apply::Place;
pub use checks::Check;
pub use commit::{Committed, Half, Recorded, Told};
pub use compare::Compared;
pub use dialog::Dialog;
pub use documents::{Document, DocumentPart, DocumentState, Extraction, ExtractionNumber, Unsearchable};
pub use error::Error;
pub use fingerprint::teach;
pub use history::{Gap, Line, LongFailed, SessionRow};
pub use ledger::{Archived, Known};
pub use messages::{Attachment, MessageRow, MetAt, Summary, VerdictRow};
pub use open::Catalog;
pub use outbox::{EntryPlace, Unsigned};
pub use packs::{PackExtent, PackRow, PackedMessage};
pub use purge::{Destroyed, DestroyedRecord, Purging};
pub use quarantine::{Held, ItemState, ReadBy, Release};
pub use rebuild::{Rebuilding, Rebuilt};
pub use requests::{Asked, Owner, Request};
pub use rescan::{Answered, Rescan};
pub use said::{NoteRow, SavedRow, TagCount};
pub use threads::Thread;
pub use work::{Backlog, Due, Indexed, Stage, Task};

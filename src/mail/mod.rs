//! WORDS: the types everything else speaks in, and the reading of MIME.
//! Knows nothing about disks, sockets, threads or settings, and nothing of ours.

mod auth;
mod eicar;
pub mod event;
mod fate;
mod id;
mod label;
pub mod language;
pub mod message;
pub mod query;
mod secret;
pub mod text;
mod ties;
mod time;
mod verdict;
pub mod views;

pub use auth::Auth;
pub use eicar::eicar;
pub use event::{Event, Occurrence};
pub use fate::Fate;
pub use id::{AccountId, BlobId, BlobIdPrefix, Hasher, Nonce, ParseIdError};
pub use label::{Label, LabelError};
pub use secret::Secret;
pub use ties::Ties;
pub use time::{Clock, Timestamp};
pub use verdict::{SignatureFamilies, Verdict, ViewVerdict};

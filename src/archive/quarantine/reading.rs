use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::{Archive, Error, Message};
use crate::catalog::ReadBy;
use crate::mail::Event;
use crate::mail::event::Reading;

/// Somebody read a message, or took something out of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReadingShown {
    /// `viewed` or `exported`.
    pub kind: String,
    /// `raw`, `text`, `part N`; `quarantine` for what is sealed off.
    pub what: String,
    pub by: String,
    /// RFC 3339, UTC.
    pub at: String,
    pub reason: Option<String>,
}

impl From<ReadBy> for ReadingShown {
    fn from(read: ReadBy) -> Self {
        let ReadBy { kind, what, by, at, reason } = read;
        Self { kind, what, by, at: at.to_string(), reason }
    }
}

impl Archive {
    /// Puts an ordinary reading on record, without waiting for the disk: it must cost next to nothing. Whether a
    /// failure matters is for the caller to say; nobody is kept from ordinary mail because a disk is full.
    pub fn viewed(&self, row: &Message, what: &str, by: &str) -> Result<(), Error> {
        self.tell_unsynced(viewing(row, what, by, None))
    }

    /// Puts on record, durably, that somebody is about to read what is withheld. Without it they must not get it.
    ///
    /// # Errors
    /// [`Error::NotOnRecord`]
    pub fn viewing_withheld(&self, row: &Message, what: &str, by: &str, reason: Option<&str>) -> Result<(), Error> {
        self.tell(viewing(row, what, by, reason)).map_err(|error| Error::NotOnRecord(Box::new(error)))
    }

    /// Who read a message, the first one first.
    pub(in crate::archive) fn readings(&self, row: &Message) -> Result<Vec<ReadingShown>, Error> {
        Ok(self.catalog.read_by(row.number)?.into_iter().map(ReadingShown::from).collect())
    }
}

fn viewing(row: &Message, what: &str, by: &str, reason: Option<&str>) -> Event {
    let [what, by] = [what, by].map(str::to_owned);
    Event::Viewed(Reading { message: row.message, what, by, reason: reason.map(str::to_owned) })
}

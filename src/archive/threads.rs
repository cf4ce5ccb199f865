use schemars::JsonSchema;
use serde::Serialize;

use super::{Archive, Error, Message};
use crate::catalog::Thread;
use crate::mail::{BlobId, BlobIdPrefix};

/// What a message is part of. `thread:ID` finds all of it, with the id of any message in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ThreadShown {
    /// The message in it that was written first: SHA-256 of its octets, in hex.
    #[schemars(with = "String")]
    pub id: BlobId,
    /// How many messages it has, those that a query does not find included.
    pub messages: u64,
}

impl ThreadShown {
    pub(super) const fn alone(id: BlobId) -> Self {
        Self { id, messages: 1 }
    }
}

impl From<Thread> for ThreadShown {
    fn from(thread: Thread) -> Self {
        Self { id: thread.oldest, messages: thread.messages }
    }
}

impl Archive {
    pub(super) fn threads(&self, rows: &[Message]) -> Result<Vec<ThreadShown>, Error> {
        let numbers: Vec<u64> = rows.iter().map(|row| row.number).collect();
        Ok(self.catalog.threads(&numbers)?.into_iter().map(ThreadShown::from).collect())
    }

    pub(super) fn thread(&self, row: &Message) -> Result<ThreadShown, Error> {
        let threads = self.threads(std::slice::from_ref(row))?;
        Ok(threads.first().copied().unwrap_or_else(|| ThreadShown::alone(row.message.id)))
    }

    /// Numbers of the messages in the thread of those whose ids begin so; none where there is no such message.
    pub(super) fn thread_of(&self, prefix: &str) -> Result<Vec<u64>, Error> {
        let Ok(prefix) = prefix.parse::<BlobIdPrefix>() else { return Ok(Vec::new()) };
        let mut numbers = Vec::new();
        for row in self.catalog.with_prefix(&prefix)? {
            numbers.extend(self.catalog.numbers_in_thread(&row)?);
        }
        Ok(numbers)
    }
}

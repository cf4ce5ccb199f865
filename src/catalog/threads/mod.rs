//! Which messages are one thread. Messages that name one id are of one family, however long the chain; a stray reply,
//! which names none, is taken to answer the last message before it with the same subject, and so ties two families.
//! Whatever order messages come and go in, the same ones make the same threads. Knows nothing about what ids and subjects
//! look like.

mod families;
mod strays;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};

use super::messages::MessageRow;
use super::{Catalog, Error};
use crate::mail::{BlobId, Ties};

/// What a message is part of; of one that was not looked into yet, itself alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// The message that was written first, as they say themselves.
    pub oldest: BlobId,
    pub messages: u64,
}

/// Messages come and go within one transaction; what that means for others is found out at its end, and once.
pub(super) struct Weaving<'c> {
    sql: &'c Connection,
    /// Families that may have fallen apart.
    torn: BTreeSet<i64>,
    /// Ids that messages named which are gone.
    left: BTreeSet<i64>,
    /// Subjects under which something came or went.
    subjects: BTreeSet<i64>,
}

/// A row of `tie`, as far as it matters to others.
struct Tie {
    family: i64,
    date_ms: i64,
    ids: Vec<u8>,
    subject: Option<i64>,
    is_stray: bool,
}

impl<'c> Weaving<'c> {
    pub(super) const fn new(sql: &'c Connection) -> Self {
        Self { sql, torn: BTreeSet::new(), left: BTreeSet::new(), subjects: BTreeSet::new() }
    }

    /// A message was looked into, for the first time or again. Its row in `message` has its date already.
    pub(super) fn enter(&mut self, message: u64, ties: &Ties) -> Result<(), Error> {
        let number = signed(message)?;
        let dates = "SELECT coalesce(date_ms, kept_ms) FROM message WHERE number = ?1";
        let date_ms = self.sql.prepare_cached(dates)?.query_row(params![number], |row| row.get(0))?;
        let ids = octets(&ties.ids);
        let before = self.tie(number)?;
        if let Some(before) = &before {
            if before.is(date_ms, &ids, ties) {
                return Ok(());
            }
            self.leave(message)?;
        }
        let family = self.family_of(number, &ties.ids)?;
        self.sql
            .prepare_cached(
                "INSERT INTO tie (message, family, date_ms, ids, subject, stray, mark)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, fingerprint(?1, ?2, ?3, ?4, ?5, ?6, NULL))",
            )?
            .execute(params![number, family, date_ms, ids, ties.subject, i64::from(ties.is_stray_reply)])?;
        self.subjects.extend(ties.subject);
        Ok(())
    }

    /// A message is destroyed: nothing that it named ties others together any more.
    pub(super) fn leave(&mut self, message: u64) -> Result<(), Error> {
        let number = signed(message)?;
        let Some(tie) = self.tie(number)? else { return Ok(()) };
        self.sql.prepare_cached("DELETE FROM tie WHERE message = ?1")?.execute(params![number])?;
        self.subjects.extend(tie.subject);
        if !tie.ids.is_empty() {
            self.torn.insert(tie.family);
            self.left.extend(hashes(&tie.ids));
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), Error> {
        for id in &self.left {
            self.sql.prepare_cached("DELETE FROM named WHERE id = ?1")?.execute(params![id])?;
        }
        self.torn.iter().try_for_each(|family| families::mend(self.sql, *family))?;
        self.subjects.iter().try_for_each(|subject| strays::attach(self.sql, *subject))
    }

    fn tie(&self, message: i64) -> Result<Option<Tie>, Error> {
        let query = "SELECT family, date_ms, ids, subject, stray FROM tie WHERE message = ?1";
        let tie = self.sql.prepare_cached(query)?.query_row(params![message], |row| {
            Ok(Tie {
                family: row.get(0)?,
                date_ms: row.get(1)?,
                ids: row.get(2)?,
                subject: row.get(3)?,
                is_stray: row.get(4)?,
            })
        });
        Ok(tie.optional()?)
    }
}

impl Tie {
    fn is(&self, date_ms: i64, ids: &[u8], ties: &Ties) -> bool {
        let is_same = (self.date_ms, self.subject, self.is_stray) == (date_ms, ties.subject, ties.is_stray_reply);
        is_same && self.ids == ids
    }
}

impl Catalog {
    /// The threads of messages, in their order.
    pub fn threads(&self, messages: &[u64]) -> Result<Vec<Thread>, Error> {
        let connection = self.connection();
        // As of one moment; and each thread is followed once, however many of the messages are in it.
        let sql = connection.unchecked_transaction()?;
        let mut known: BTreeMap<i64, Thread> = BTreeMap::new();
        let mut threads = Vec::with_capacity(messages.len());
        for message in messages {
            let Some(family) = family(&sql, *message)? else {
                threads.push(alone(&sql, *message)?);
                continue;
            };
            if !known.contains_key(&family) {
                let families = tied_to(&sql, family)?;
                let thread = sum(&sql, &families)?;
                known.extend(families.into_iter().map(|family| (family, thread)));
            }
            threads.extend(known.get(&family));
        }
        Ok(threads)
    }

    /// Numbers of all messages in a message's thread, itself among them, ascending.
    pub fn numbers_in_thread(&self, message: &MessageRow) -> Result<Vec<u64>, Error> {
        let connection = self.connection();
        let sql = connection.unchecked_transaction()?;
        let Some(family) = family(&sql, message.number)? else { return Ok(vec![message.number]) };
        let mut numbers = Vec::new();
        for family in tied_to(&sql, family)? {
            let mut statement = sql.prepare_cached("SELECT message FROM tie WHERE family = ?1")?;
            let rows = statement.query_map(params![family], |row| row.get::<_, u64>(0))?;
            for row in rows {
                numbers.push(row?);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

fn family(sql: &Connection, message: u64) -> Result<Option<i64>, Error> {
    let query = "SELECT family FROM tie WHERE message = ?1";
    Ok(sql.prepare_cached(query)?.query_row(params![message], |row| row.get(0)).optional()?)
}

fn alone(sql: &Connection, message: u64) -> Result<Thread, Error> {
    let query = "SELECT id FROM message WHERE number = ?1";
    let oldest = sql.prepare_cached(query)?.query_row(params![message], |row| row.get(0))?;
    Ok(Thread { oldest: BlobId::from_bytes(oldest), messages: 1 })
}

/// A family, and all that stray replies tie to it, on either side and on.
fn tied_to(sql: &Connection, family: i64) -> Result<BTreeSet<i64>, Error> {
    let mut found = BTreeSet::from([family]);
    let mut waiting = vec![family];
    while let Some(family) = waiting.pop() {
        let mut statement = sql.prepare_cached(
            "SELECT other.family FROM tie AS own JOIN tie AS other ON other.message = own.after
             WHERE own.family = ?1 AND own.after IS NOT NULL
             UNION SELECT other.family FROM tie AS own JOIN tie AS other ON other.after = own.message
             WHERE own.family = ?1",
        )?;
        let rows = statement.query_map(params![family], |row| row.get::<_, i64>(0))?;
        for row in rows {
            let other = row?;
            if found.insert(other) {
                waiting.push(other);
            }
        }
    }
    Ok(found)
}

fn sum(sql: &Connection, families: &BTreeSet<i64>) -> Result<Thread, Error> {
    let mut messages = 0;
    let mut oldest: Option<(i64, BlobId)> = None;
    for family in families {
        let count = "SELECT count(*) FROM tie WHERE family = ?1";
        messages += sql.prepare_cached(count)?.query_row(params![family], |row| row.get::<_, u64>(0))?;
        let mut statement = sql.prepare_cached(
            "SELECT tie.date_ms, message.id FROM tie JOIN message ON message.number = tie.message
             WHERE tie.family = ?1 AND tie.date_ms = (SELECT min(date_ms) FROM tie WHERE family = ?1)",
        )?;
        let rows = statement.query_map(params![family], |row| Ok((row.get(0)?, BlobId::from_bytes(row.get(1)?))))?;
        for row in rows {
            let first = row?;
            oldest = Some(oldest.map_or(first, |known| known.min(first)));
        }
    }
    let (_, oldest) = oldest.ok_or_else(|| Error::Unreadable("a family without messages".to_owned()))?;
    Ok(Thread { oldest, messages })
}

fn octets(ids: &[i64]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_be_bytes()).collect()
}

fn hashes(octets: &[u8]) -> impl Iterator<Item = i64> + '_ {
    octets.as_chunks().0.iter().map(|id| i64::from_be_bytes(*id))
}

fn signed(message: u64) -> Result<i64, Error> {
    i64::try_from(message).map_err(|_| Error::Unreadable(format!("message number {message}")))
}

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use super::documents::{self, DocumentPart};
use super::messages::{MessageRow, Summary};
use super::threads::Weaving;
use super::{Catalog, Error};
use crate::mail::{Ties, Timestamp};

/// What is done with every message after it is kept. Neither waits for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Scan,
    Index,
}

impl Stage {
    pub const ALL: [Self; 2] = [Self::Scan, Self::Index];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Index => "index",
        }
    }
}

/// A message that is due for a stage.
#[derive(Clone, Debug)]
pub struct Task {
    pub message: MessageRow,
    /// How often it has failed here.
    pub attempts: u32,
}

/// How much a stage has before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub waiting: u64,
    /// Of those, failed too often to be tried again unasked.
    pub stuck: u64,
    /// Of those waiting, due now.
    pub due: u64,
}

/// For which stages anything is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    pub scan: bool,
    pub index: bool,
    /// Of the text of attachments.
    pub extract: bool,
}

/// After this many failures a message is left alone until the next start.
const ATTEMPTS_LIMIT: u32 = 8;

/// The wait for the next try doubles so often at the most, …
const DOUBLINGS: u32 = 6;
/// … so nothing waits longer: what is due later was put there by a clock that was ahead, and is due now.
const LONGEST_WAIT_MS: u64 = 60_000 << DOUBLINGS;

/// What is due at `now`, the second parameter. Said so, SQLite walks along its index, and sorts nothing.
fn is_due() -> String {
    format!("due_ms NOT BETWEEN ?2 + 1 AND ?2 + {LONGEST_WAIT_MS}")
}

/// A message that is in the index now.
#[derive(Clone, Debug)]
pub struct Indexed {
    pub number: u64,
    pub summary: Summary,
    /// What ties it to others.
    pub ties: Ties,
    /// Whether it was taken as collected for many.
    pub is_collected: bool,
    /// Its octets are destroyed, and it was taken out.
    pub is_destroyed: bool,
    /// Its parts with text that is read elsewhere.
    pub documents: Vec<DocumentPart>,
}

impl Catalog {
    /// The next messages due for a stage, oldest first. Claims nothing: one worker a stage, in one process.
    pub fn due(&self, stage: Stage, now: Timestamp, limit: u32) -> Result<Vec<Task>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {}, work.attempts FROM work JOIN message ON message.number = work.message
             WHERE stage = ?1 AND stuck = 0 AND {} ORDER BY due_ms, work.message LIMIT ?3",
            MessageRow::COLUMNS,
            is_due()
        ))?;
        let rows = statement.query_map(params![stage.as_str(), now.as_millis(), limit], |row| {
            Ok(Task { message: MessageRow::from_row(row)?, attempts: row.get(MessageRow::WIDTH)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What is due at one moment: as quickly told of much as of little. What one stage leaves to the next is due for one of
    /// them.
    pub fn what_is_due(&self, now: Timestamp) -> Result<Due, Error> {
        let connection = self.connection();
        let snapshot = connection.unchecked_transaction()?;
        let any = |stage: Stage| -> Result<bool, Error> {
            let query = format!("SELECT 1 FROM work WHERE stage = ?1 AND stuck = 0 AND {} LIMIT 1", is_due());
            Ok(snapshot.prepare_cached(&query)?.exists(params![stage.as_str(), now.as_millis()])?)
        };
        let extract = snapshot.prepare_cached("SELECT 1 FROM document WHERE state = 'waiting' LIMIT 1")?.exists([])?;
        Ok(Due { scan: any(Stage::Scan)?, index: any(Stage::Index)?, extract })
    }

    /// When the next message falls due, if one waits.
    pub fn next_due(&self, stage: Stage) -> Result<Option<Timestamp>, Error> {
        let due: Option<i64> = self
            .connection()
            .prepare_cached("SELECT min(due_ms) FROM work WHERE stage = ?1 AND stuck = 0")?
            .query_row(params![stage.as_str()], |row| row.get(0))?;
        Ok(due.map(Timestamp::from_millis))
    }

    /// This message could not be worked on: again after a minute, doubling, and not at all after too often.
    pub fn work_failed(&self, stage: Stage, task: &Task, error: &str, now: Timestamp) -> Result<(), Error> {
        let attempts = task.attempts + 1;
        let wait = Duration::from_secs(60 << task.attempts.min(DOUBLINGS));
        self.connection()
            .prepare_cached(
                "UPDATE work SET attempts = ?3, error = ?4, due_ms = ?5, stuck = ?6 WHERE stage = ?1 AND message = ?2",
            )?
            .execute(params![
                stage.as_str(),
                task.message.number,
                attempts,
                error,
                now.after(wait).as_millis(),
                attempts >= ATTEMPTS_LIMIT
            ])?;
        Ok(())
    }

    /// What is stuck gets another round of tries: the program that starts, or the scanner that answers, may be a better one.
    pub fn retry_stuck(&self, stage: Stage, now: Timestamp) -> Result<(), Error> {
        self.connection().execute(
            "UPDATE work SET stuck = 0, attempts = 0, due_ms = ?2 WHERE stage = ?1 AND stuck = 1",
            params![stage.as_str(), now.as_millis()],
        )?;
        Ok(())
    }

    /// What failed of these messages, or of all where none is named, is due now. Gives which messages that is.
    pub fn requeue(&self, messages: &[u64], now: Timestamp) -> Result<BTreeSet<u64>, Error> {
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut requeued = BTreeSet::new();
        let named: Vec<Option<u64>> =
            if messages.is_empty() { vec![None] } else { messages.iter().copied().map(Some).collect() };
        for message in named {
            let mut statement = sql.prepare_cached(
                "UPDATE work SET stuck = 0, attempts = 0, due_ms = ?2
                 WHERE stage IN ('scan', 'index') AND (?1 IS NULL OR message = ?1) AND error IS NOT NULL
                 RETURNING message",
            )?;
            let rows = statement.query_map(params![message, now.as_millis()], |row| row.get::<_, u64>(0))?;
            for row in rows {
                requeued.insert(row?);
            }
        }
        sql.commit()?;
        Ok(requeued)
    }

    /// These messages are in the index, durably, or out of it; what was read from them goes into the lists. One that came to
    /// be collected for many meanwhile, or is no longer, or was destroyed, or of whose documents more is known, stays due.
    pub fn indexed(&self, messages: &[Indexed], now: Timestamp) -> Result<(), Error> {
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut threads = Weaving::new(&sql);
        for Indexed { number, summary, ties, is_collected, is_destroyed, documents } in messages {
            if collected(&sql, *number)? != *is_collected || destroyed(&sql, *number)? != *is_destroyed {
                continue;
            }
            // The text of a document came to be known meanwhile: it is not in the index.
            if !is_destroyed && !documents::note(&sql, *number, documents)? {
                continue;
            }
            sql.prepare_cached("DELETE FROM work WHERE stage = 'index' AND message = ?1")?.execute(params![number])?;
            if *is_destroyed {
                threads.leave(*number)?;
                continue;
            }
            let attachments =
                serde_json::to_string(&summary.attachments).map_err(|error| Error::Unreadable(error.to_string()))?;
            sql.prepare_cached(
                "UPDATE message SET indexed_ms = ?2, date_ms = ?3, from_line = ?4, to_line = ?5, subject = ?6,
                     attachments = ?7 WHERE number = ?1",
            )?
            .execute(params![
                number,
                now.as_millis(),
                summary.date.map(Timestamp::as_millis),
                summary.from,
                summary.to,
                summary.subject,
                attachments
            ])?;
            threads.enter(*number, ties)?;
        }
        threads.finish()?;
        Ok(sql.commit()?)
    }

    /// Whether a message was met by an account that collects the mail of many.
    pub fn is_collected(&self, number: u64) -> Result<bool, Error> {
        collected(&self.connection(), number)
    }

    /// Everything is to be indexed again.
    pub fn index_lost(&self, now: Timestamp) -> Result<(), Error> {
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        sql.execute("UPDATE message SET indexed_ms = NULL", [])?;
        sql.execute(
            "INSERT OR REPLACE INTO work (stage, message, due_ms) SELECT 'index', number, ?1 FROM message WHERE purged_ms IS NULL",
            params![now.as_millis()],
        )?;
        Ok(sql.commit()?)
    }

    pub fn backlog(&self, stage: Stage, now: Timestamp) -> Result<Backlog, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT count(*), coalesce(sum(stuck), 0), coalesce(sum(stuck = 0 AND {}), 0) FROM work WHERE stage = ?1",
            is_due()
        ))?;
        Ok(statement.query_row(params![stage.as_str(), now.as_millis()], |row| {
            Ok(Backlog { waiting: row.get(0)?, stuck: row.get(1)?, due: row.get(2)? })
        })?)
    }

    /// Why messages of a stage wait, most frequent reason first.
    pub fn work_errors(&self, stage: Stage) -> Result<Vec<(String, u64)>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT error, count(*) FROM work WHERE stage = ?1 AND error IS NOT NULL GROUP BY error
             ORDER BY count(*) DESC LIMIT 5",
        )?;
        let rows = statement.query_map(params![stage.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

pub(super) const COLLECTED: &str = "SELECT 1 FROM sighting JOIN account ON account.number = sighting.account
    WHERE sighting.message = ?1 AND account.multidrop";

fn collected(sql: &Connection, number: u64) -> Result<bool, Error> {
    Ok(sql.prepare_cached(COLLECTED)?.exists(params![number])?)
}

fn destroyed(sql: &Connection, number: u64) -> Result<bool, Error> {
    let query = "SELECT 1 FROM message WHERE number = ?1 AND purged_ms IS NOT NULL";
    Ok(sql.prepare_cached(query)?.exists(params![number])?)
}

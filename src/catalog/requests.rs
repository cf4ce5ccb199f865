use rusqlite::{OptionalExtension, TransactionBehavior, params};

use super::{Catalog, Error};
use crate::mail::Timestamp;

/// What a command asks of the process that owns the archive. There is no other channel to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub number: i64,
    pub kind: String,
    /// JSON.
    pub argument: String,
    /// Times it was taken up, this one included: more than one, if an owner ended before it answered.
    pub tries: u32,
}

/// What has become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Waiting,
    /// JSON.
    Answered(String),
    /// Withdrawn, or too old.
    Gone,
}

/// Requests and answers that nobody asks for any more go after this long.
const OLD_MS: i64 = 24 * 3600 * 1000;

/// The process that owns the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub pid: u32,
    pub started: Timestamp,
    /// When it last said that it is alive.
    pub beat: Timestamp,
    /// JSON: what it says of itself.
    pub told: String,
}

impl Catalog {
    /// Leaves a request; the number is for [`Self::answer`].
    pub fn ask(&self, kind: &str, argument: &str, now: Timestamp) -> Result<i64, Error> {
        let connection = self.connection();
        connection.execute(
            "INSERT INTO request (kind, argument, asked_ms) VALUES (?1, ?2, ?3)",
            params![kind, argument, now.as_millis()],
        )?;
        Ok(connection.last_insert_rowid())
    }

    /// The answer to a request, once there is one. Whoever has read it is to [`Self::withdraw`] the request.
    pub fn answer(&self, number: i64) -> Result<Asked, Error> {
        let connection = self.connection();
        let answer: Option<Option<String>> = connection
            .prepare_cached("SELECT answer FROM request WHERE number = ?1")?
            .query_row(params![number], |row| row.get(0))
            .optional()?;
        Ok(match answer {
            None => Asked::Gone,
            Some(None) => Asked::Waiting,
            Some(Some(answer)) => Asked::Answered(answer),
        })
    }

    /// Nobody waits for the answer any more: the request goes, and is not taken up if it was not yet.
    pub fn withdraw(&self, number: i64) -> Result<(), Error> {
        self.connection().execute("DELETE FROM request WHERE number = ?1", params![number])?;
        Ok(())
    }

    /// Requests nobody has taken up yet; they count as taken now. Of requests older than a day only those that are
    /// being worked on stay.
    pub fn take_requests(&self, now: Timestamp) -> Result<Vec<Request>, Error> {
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        sql.execute(
            "DELETE FROM request WHERE asked_ms < ?1 AND (taken_ms IS NULL OR done_ms IS NOT NULL)",
            params![now.as_millis() - OLD_MS],
        )?;
        let mut requests = {
            let mut statement = sql.prepare_cached(
                "UPDATE request SET taken_ms = ?1, tries = tries + 1 WHERE taken_ms IS NULL
                 RETURNING number, kind, argument, tries",
            )?;
            let rows = statement.query_map(params![now.as_millis()], |row| {
                Ok(Request { number: row.get(0)?, kind: row.get(1)?, argument: row.get(2)?, tries: row.get(3)? })
            })?;
            rows.collect::<Result<Vec<_>, _>>()?
        };
        sql.commit()?;
        requests.sort_unstable_by_key(|request| request.number);
        Ok(requests)
    }

    /// Whether a request waits to be taken up.
    pub fn has_requests(&self) -> Result<bool, Error> {
        Ok(self.connection().prepare_cached("SELECT 1 FROM request WHERE taken_ms IS NULL")?.exists([])?)
    }

    pub fn answer_request(&self, number: i64, answer: &str, now: Timestamp) -> Result<(), Error> {
        self.connection().execute(
            "UPDATE request SET taken_ms = coalesce(taken_ms, ?2), done_ms = ?2, answer = ?3 WHERE number = ?1",
            params![number, now.as_millis(), answer],
        )?;
        Ok(())
    }

    /// Requests that a dead owner took and never answered are open again.
    pub fn reopen_requests(&self) -> Result<(), Error> {
        self.connection().execute("UPDATE request SET taken_ms = NULL WHERE done_ms IS NULL", [])?;
        Ok(())
    }

    /// The owner says that it is alive.
    pub fn beat(&self, owner: &Owner) -> Result<(), Error> {
        self.connection()
            .prepare_cached(
                "INSERT OR REPLACE INTO owner (one, pid, started_ms, beat_ms, scanner) VALUES (1, ?1, ?2, ?3, ?4)",
            )?
            .execute(params![owner.pid, owner.started.as_millis(), owner.beat.as_millis(), owner.told])?;
        Ok(())
    }

    /// The owner has ended in good order.
    pub fn owner_left(&self) -> Result<(), Error> {
        self.connection().execute("DELETE FROM owner", [])?;
        Ok(())
    }

    /// The last owner's last word.
    pub fn owner(&self) -> Result<Option<Owner>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT pid, started_ms, beat_ms, scanner FROM owner")?;
        let owner = statement.query_row([], |row| {
            Ok(Owner {
                pid: row.get(0)?,
                started: Timestamp::from_millis(row.get(1)?),
                beat: Timestamp::from_millis(row.get(2)?),
                told: row.get(3)?,
            })
        });
        Ok(owner.optional()?)
    }

    /// A value of the `archive` table.
    pub fn archive_value(&self, key: &str) -> Result<Option<String>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT value FROM archive WHERE key = ?1")?;
        Ok(statement.query_row(params![key], |row| row.get(0)).optional()?)
    }
}

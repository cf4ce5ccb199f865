use std::time::Duration;

use rusqlite::{Row, params};

use super::apply::account_number;
use super::messages::word;
use super::{Catalog, Error};
use crate::mail::event::{Listed, SessionCounts, Uidl};
use crate::mail::{AccountId, BlobId, Fate, Timestamp};

/// One line that an account once listed, and what became of it.
#[derive(Clone, Debug)]
pub struct Line {
    pub listed: Listed,
    pub fate: Fate,
    /// When it was listed first.
    pub seen: Timestamp,
    /// When it got its fate.
    pub fate_at: Timestamp,
    pub reason: Option<String>,
    /// How often it could not be fetched.
    pub attempts: u32,
    /// The message, if it is in the archive.
    pub message: Option<BlobId>,
    /// When a DELE was last decided on, and why.
    pub deleting: Option<(Timestamp, String)>,
    /// When a listing lacked it.
    pub gone: Option<Timestamp>,
}

/// Lines of one account and fate that could not be fetched for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongFailed {
    pub account: String,
    pub fate: Fate,
    pub lines: u64,
}

/// One session with an account's server.
#[derive(Clone, Debug)]
pub struct SessionRow {
    pub started: Timestamp,
    pub ended: Timestamp,
    pub counts: SessionCounts,
    pub error: Option<String>,
}

/// A time from which no session of an account is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The end of the session before it.
    pub from: Timestamp,
    /// The beginning of the session after it.
    pub to: Timestamp,
}

impl Gap {
    /// Shorter ones are none.
    pub const LENGTH: Duration = Duration::from_secs(24 * 3600);
}

impl Catalog {
    /// The last gap between an account's sessions, as long as it ended less than [`Gap::LENGTH`] ago; the session that
    /// begins at `now` counts. A gap whose end is still to come is none: the clock was ahead, and is back.
    pub fn gap(&self, account: &AccountId, now: Timestamp) -> Result<Option<Gap>, Error> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT started_ms, ended_ms FROM session WHERE account = ?1 ORDER BY number DESC")?;
        let mut rows = statement.query(params![account_number(&connection, account)?])?;
        let mut to = now;
        while let Some(row) = rows.next()? {
            let (started, from) = (Timestamp::from_millis(row.get(0)?), Timestamp::from_millis(row.get(1)?));
            if to.after(Gap::LENGTH) <= now {
                break;
            }
            if to <= now && from.after(Gap::LENGTH) < to {
                return Ok(Some(Gap { from, to }));
            }
            to = started;
        }
        Ok(None)
    }

    /// When the sessions of an account began and ended, the last first, as long as `visit` wants more.
    pub fn sessions_back(
        &self,
        account: &AccountId,
        visit: &mut dyn FnMut(Timestamp, Timestamp) -> bool,
    ) -> Result<(), Error> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT started_ms, ended_ms FROM session WHERE account = ?1 ORDER BY number DESC")?;
        let mut rows = statement.query(params![account_number(&connection, account)?])?;
        while let Some(row) = rows.next()? {
            if !visit(Timestamp::from_millis(row.get(0)?), Timestamp::from_millis(row.get(1)?)) {
                break;
            }
        }
        Ok(())
    }

    /// Whether mail is there that only its octets tell from other mail: the server has neither UIDL nor TOP.
    pub fn is_nameless(&self, account: &AccountId) -> Result<bool, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM sighting WHERE account = ?1 AND gone_ms IS NULL AND uidl >= ?2 AND uidl < ?3)",
        )?;
        let account = account_number(&connection, account)?;
        Ok(statement.query_row(params![account, b"octets:", b"octets;"], |row| row.get(0))?)
    }

    /// Every line that an account ever listed, in the order of their first listing.
    pub fn lines(&self, account: &AccountId, visit: &mut dyn FnMut(Line)) -> Result<(), Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT uidl, sighting.ordinal, listed_bytes, fate, seen_ms, fate_ms, reason, attempts, message.id, deleting_ms,
                    delete_reason, gone_ms
             FROM sighting LEFT JOIN message ON message.number = sighting.message
             WHERE sighting.account = ?1 ORDER BY sighting.number",
        )?;
        let rows = statement.query_map(params![account_number(&connection, account)?], line)?;
        rows.into_iter().try_for_each(|line| {
            visit(line?);
            Ok(())
        })
    }

    /// What accounts list still, listed first before `before`, and could not give in `attempts` tries or more. Without the
    /// accounts that were removed.
    pub fn long_failed(&self, before: Timestamp, attempts: u32) -> Result<Vec<LongFailed>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT name, fate, count(*) FROM sighting JOIN account ON account.number = sighting.account
             WHERE fate IN ('failed', 'interrupted') AND attempts >= ?2 AND seen_ms < ?1 AND gone_ms IS NULL
                   AND removed_ms IS NULL
             GROUP BY account.number, fate ORDER BY account.number, fate",
        )?;
        let failed = |row: &Row<'_>| Ok(LongFailed { account: row.get(0)?, fate: word(row, 1)?, lines: row.get(2)? });
        let rows = statement.query_map(params![before.as_millis(), attempts], failed)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last sessions of an account, the latest first.
    pub fn sessions(&self, account: &AccountId, limit: u32) -> Result<Vec<SessionRow>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT started_ms, ended_ms, counts, error FROM session WHERE account = ?1 ORDER BY number DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![account_number(&connection, account)?, limit], |row| {
            let counts: String = row.get(2)?;
            Ok((row.get(0)?, row.get(1)?, counts, row.get(3)?))
        })?;
        let mut sessions = Vec::new();
        for row in rows {
            let (started, ended, counts, error) = row?;
            let counts = serde_json::from_str(&counts).map_err(|error| Error::Unreadable(error.to_string()))?;
            let (started, ended) = (Timestamp::from_millis(started), Timestamp::from_millis(ended));
            sessions.push(SessionRow { started, ended, counts, error });
        }
        Ok(sessions)
    }
}

fn line(row: &Row<'_>) -> rusqlite::Result<Line> {
    let time = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    let id: Option<[u8; 32]> = row.get(8)?;
    let why: Option<String> = row.get(10)?;
    Ok(Line {
        listed: Listed {
            uidl: Uidl::new(row.get::<_, Vec<u8>>(0)?),
            ordinal: row.get(1)?,
            listed_bytes: u64::try_from(row.get::<_, i64>(2)?).ok(),
        },
        fate: word(row, 3)?,
        seen: Timestamp::from_millis(row.get(4)?),
        fate_at: Timestamp::from_millis(row.get(5)?),
        reason: row.get(6)?,
        attempts: row.get(7)?,
        message: id.map(BlobId::from_bytes),
        deleting: time(9)?.map(|at| (at, why.unwrap_or_default())),
        gone: time(11)?,
    })
}

use rusqlite::{OptionalExtension, Row, params};

use super::{Catalog, Error};
use crate::mail::{AccountId, Timestamp};

/// An account as the catalog knows it: whatever the configuration says now, this is what happened.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    pub host: Option<String>,
    pub user: Option<String>,
    pub last_poll: Option<Timestamp>,
    pub last_success: Option<Timestamp>,
    pub last_error: Option<String>,
    /// Polls that failed one after the other, up to now.
    pub failures: u32,
    pub next_poll: Option<Timestamp>,
    /// Messages in the last listing.
    pub listed: Option<u64>,
    /// Lines of its listings that are in the archive.
    pub archived: u64,
}

const COLUMNS: &str = "id, name, host, user, last_poll_ms, last_success_ms, last_error, failures, next_poll_ms, listed,
    (SELECT count(*) FROM sighting WHERE sighting.account = account.number AND message IS NOT NULL)";

impl Catalog {
    pub fn accounts(&self) -> Result<Vec<Account>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM account ORDER BY number"))?;
        let rows = statement.query_map([], account)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn account(&self, name: &str) -> Result<Option<Account>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM account WHERE name = ?1"))?;
        Ok(statement.query_row(params![name], account).optional()?)
    }

    /// For `status` only; the schedule itself is the daemon's.
    pub fn next_poll(&self, id: &AccountId, at: Timestamp) -> Result<(), Error> {
        self.connection()
            .prepare_cached("UPDATE account SET next_poll_ms = ?2 WHERE id = ?1")?
            .execute(params![id.as_bytes(), at.as_millis()])?;
        Ok(())
    }
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let time = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    Ok(Account {
        id: AccountId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        host: row.get(2)?,
        user: row.get(3)?,
        last_poll: time(4)?,
        last_success: time(5)?,
        last_error: row.get(6)?,
        failures: row.get(7)?,
        next_poll: time(8)?,
        listed: row.get(9)?,
        archived: row.get(10)?,
    })
}

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::apply::account_number;
use super::{Catalog, Error};
use crate::mail::event::AccountAdded;
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
    /// When the first session began.
    pub first_poll: Option<Timestamp>,
    /// Since when it is not to be polled.
    pub paused: Option<Timestamp>,
    /// Since when it is out of the configuration.
    pub removed: Option<Timestamp>,
    /// The name before this one.
    pub former: Option<String>,
    /// Whether it collects the mail of many.
    pub multidrop: bool,
    pub trouble: Option<Trouble>,
    pub server: ServerFacts,
}

/// What the schedule remembers of polls that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The class of the last failure, in the schedule's words.
    pub class: String,
    /// Failures of this class one after the other.
    pub polls: u32,
    /// A digest of the settings that it failed with.
    pub settings: Vec<u8>,
}

/// What a server said of itself at the last login. Nothing is on record of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// EXPIRE of RFC 2449, in days; `None` for NEVER and where it did not say.
    pub expire_days: Option<u32>,
    /// LOGIN-DELAY of RFC 2449: the least time between two logins.
    pub login_delay_seconds: Option<u32>,
    /// The end of its certificate's time.
    pub certificate_expires: Option<Timestamp>,
}

const COLUMNS: &str = "id, name, host, user, last_poll_ms, last_success_ms, last_error, failures, next_poll_ms, listed,
    (SELECT started_ms FROM session WHERE session.account = account.number ORDER BY session.number LIMIT 1),
    paused_ms, removed_ms, former, multidrop, trouble, trouble_polls, trouble_settings, expire_days, login_delay_s,
    certificate_expires_ms";

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

    /// Lines of the account's listings that are in the archive.
    pub fn archived_count(&self, id: &AccountId) -> Result<u64, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT count(*) FROM sighting JOIN account ON account.number = sighting.account
             WHERE account.id = ?1 AND message IS NOT NULL",
        )?;
        Ok(statement.query_row(params![id.as_bytes()], |row| row.get(0))?)
    }

    /// When the schedule polls the account again; nothing where it does not unless something changes.
    pub fn next_poll(&self, id: &AccountId, at: impl Into<Option<Timestamp>>) -> Result<(), Error> {
        self.connection()
            .prepare_cached("UPDATE account SET next_poll_ms = ?2 WHERE id = ?1")?
            .execute(params![id.as_bytes(), at.into().map(Timestamp::as_millis)])?;
        Ok(())
    }

    /// How the account's schedule stands: what failed, and when the account is polled again; no time where it is not,
    /// unless something changes. Both at once: with trouble and no time it counts as resting.
    pub fn note_schedule(
        &self,
        id: &AccountId,
        trouble: Option<&Trouble>,
        next_poll: Option<Timestamp>,
    ) -> Result<(), Error> {
        self.connection()
            .prepare_cached(
                "UPDATE account SET trouble = ?2, trouble_polls = ?3, trouble_settings = ?4, next_poll_ms = ?5
                 WHERE id = ?1",
            )?
            .execute(params![
                id.as_bytes(),
                trouble.map(|trouble| &trouble.class),
                trouble.map_or(0, |trouble| trouble.polls),
                trouble.map(|trouble| &trouble.settings),
                next_poll.map(Timestamp::as_millis)
            ])?;
        Ok(())
    }

    /// What the account's server said of itself.
    pub fn note_server(&self, id: &AccountId, server: &ServerFacts) -> Result<(), Error> {
        self.connection()
            .prepare_cached(
                "UPDATE account SET expire_days = ?2, login_delay_s = ?3, certificate_expires_ms = ?4
                 WHERE id = ?1 AND (expire_days, login_delay_s, certificate_expires_ms) IS NOT (?2, ?3, ?4)",
            )?
            .execute(params![
                id.as_bytes(),
                server.expire_days,
                server.login_delay_seconds,
                server.certificate_expires.map(Timestamp::as_millis)
            ])?;
        Ok(())
    }
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let time = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    let trouble = |class| Ok::<_, rusqlite::Error>(Trouble { class, polls: row.get(16)?, settings: row.get(17)? });
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
        first_poll: time(10)?,
        paused: time(11)?,
        removed: time(12)?,
        former: row.get(13)?,
        multidrop: row.get(14)?,
        trouble: row.get::<_, Option<String>>(15)?.map(trouble).transpose()?,
        server: ServerFacts {
            expire_days: row.get(18)?,
            login_delay_seconds: row.get(19)?,
            certificate_expires: time(20)?,
        },
    })
}

pub(super) fn account_added(sql: &Connection, at: Timestamp, added: &AccountAdded) -> Result<(), Error> {
    // Another server, or another mailbox of it: its unique-ids mean other messages.
    sql.prepare_cached(
        "UPDATE sighting SET gone_ms = ?4 WHERE gone_ms IS NULL AND account =
             (SELECT number FROM account WHERE id = ?1 AND host IS NOT NULL AND (host, user) IS NOT (?2, ?3))",
    )?
    .execute(params![added.account.as_bytes(), added.host, added.user, at.as_millis()])?;
    sql.prepare_cached(
        "INSERT INTO account (id, name, host, user) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE
         SET name = excluded.name, host = excluded.host, user = excluded.user, removed_ms = NULL",
    )?
    .execute(params![added.account.as_bytes(), added.name, added.host, added.user])?;
    Ok(())
}

/// The time stays that of the first pause.
pub(super) fn paused(sql: &Connection, account: &AccountId, since: Option<Timestamp>) -> Result<(), Error> {
    let number = account_number(sql, account)?;
    sql.execute(
        "UPDATE account SET paused_ms = iif(?2 IS NULL, NULL, coalesce(paused_ms, ?2)) WHERE number = ?1",
        params![number, since.map(Timestamp::as_millis)],
    )?;
    Ok(())
}

pub(super) fn renamed(sql: &Connection, account: &AccountId, name: &str) -> Result<(), Error> {
    let number = account_number(sql, account)?;
    sql.execute("UPDATE account SET former = name, name = ?2 WHERE number = ?1", params![number, name])?;
    Ok(())
}

pub(super) fn removed(sql: &Connection, account: &AccountId, at: Timestamp) -> Result<(), Error> {
    let number = account_number(sql, account)?;
    sql.execute("UPDATE account SET removed_ms = ?2 WHERE number = ?1", params![number, at.as_millis()])?;
    Ok(())
}

/// What the index says of the account's messages depends on it: they are due again.
pub(super) fn collects(sql: &Connection, account: &AccountId, multidrop: bool) -> Result<(), Error> {
    let number = account_number(sql, account)?;
    sql.execute("UPDATE account SET multidrop = ?2 WHERE number = ?1", params![number, multidrop])?;
    let of_account = "(SELECT message FROM sighting WHERE account = ?1 AND message IS NOT NULL)";
    sql.execute(
        &format!(
            "INSERT OR IGNORE INTO work (stage, message, due_ms)
             SELECT 'index', number, 0 FROM message WHERE number IN {of_account}"
        ),
        params![number],
    )?;
    sql.execute(&format!("UPDATE message SET indexed_ms = NULL WHERE number IN {of_account}"), params![number])?;
    Ok(())
}

/// A message that an account collects for many, and no such account met before, is to be indexed as that.
pub(super) fn collected(sql: &Connection, account: &AccountId, message: i64) -> Result<(), Error> {
    let is_first = sql
        .prepare_cached(
            "SELECT 1 FROM account WHERE id = ?1 AND multidrop AND 1 =
                 (SELECT count(*) FROM sighting JOIN account AS any ON any.number = sighting.account
                  WHERE sighting.message = ?2 AND any.multidrop)",
        )?
        .exists(params![account.as_bytes(), message])?;
    if is_first {
        sql.execute(
            "INSERT OR IGNORE INTO work (stage, message, due_ms) SELECT 'index', number, 0 FROM message
             WHERE number = ?1",
            params![message],
        )?;
        sql.execute("UPDATE message SET indexed_ms = NULL WHERE number = ?1", params![message])?;
    }
    Ok(())
}

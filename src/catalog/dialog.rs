use rusqlite::{OptionalExtension, params};

use super::apply::account_number;
use super::{Catalog, Error};
use crate::mail::{AccountId, Timestamp};

/// How to speak with an account's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// Until then, one command at a time: pipelining went wrong.
    pub one_at_a_time_until: Timestamp,
    /// Until then, header blocks are not compared: TOP gives others than RETR.
    pub headers_differ_until: Timestamp,
}

impl Default for Dialog {
    fn default() -> Self {
        let never = Timestamp::from_millis(0);
        Self { one_at_a_time_until: never, headers_differ_until: never }
    }
}

impl Catalog {
    /// What earlier sessions found out.
    pub fn dialog(&self, account: &AccountId) -> Result<Dialog, Error> {
        let connection = self.connection();
        let time = |row: &rusqlite::Row<'_>, column| Ok::<_, rusqlite::Error>(Timestamp::from_millis(row.get(column)?));
        let dialog = connection
            .prepare_cached("SELECT one_at_a_time_until, headers_differ_until FROM dialog WHERE account = ?1")?
            .query_row(params![account_number(&connection, account)?], |row| {
                Ok(Dialog { one_at_a_time_until: time(row, 0)?, headers_differ_until: time(row, 1)? })
            })
            .optional()?;
        Ok(dialog.unwrap_or_default())
    }

    pub fn set_dialog(&self, account: &AccountId, dialog: Dialog) -> Result<(), Error> {
        let connection = self.connection();
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO dialog (account, one_at_a_time_until, headers_differ_until)
                 VALUES (?1, ?2, ?3)",
            )?
            .execute(params![
                account_number(&connection, account)?,
                dialog.one_at_a_time_until.as_millis(),
                dialog.headers_differ_until.as_millis()
            ])?;
        Ok(())
    }
}

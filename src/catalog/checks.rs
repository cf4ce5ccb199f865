use rusqlite::{OptionalExtension, params};

use super::{Catalog, Error};
use crate::mail::Timestamp;

/// What a check of the archive found last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub at: Timestamp,
    /// A sentence each.
    pub damage: Vec<String>,
}

impl Catalog {
    /// When a rebuild was last rehearsed.
    pub fn drilled(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.last_check("drill")?.map(|check| check.at))
    }

    /// The last check that found damage, if none of its kind has ended well since.
    pub fn standing_damage(&self) -> Result<Option<Check>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT at_ms, damage FROM verified AS bad WHERE damage <> '[]' AND NOT EXISTS (
                 SELECT 1 FROM verified AS good
                 WHERE good.number > bad.number AND good.damage = '[]' AND good.kind IN (bad.kind, 'all')
             ) ORDER BY number DESC LIMIT 1",
        )?;
        let found: Option<(i64, String)> =
            statement.query_row(params![], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        found.map(read).transpose()
    }

    /// What a check of this kind found last: `all`, `quick`, `books` (catalog, journal and index), `drill` or `pack N`. By the
    /// order of telling: the latest time may be that of a clock that was ahead.
    pub fn last_check(&self, kind: &str) -> Result<Option<Check>, Error> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT at_ms, damage FROM verified WHERE kind = ?1 ORDER BY number DESC LIMIT 1")?;
        let found: Option<(i64, String)> =
            statement.query_row(params![kind], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        found.map(read).transpose()
    }
}

fn read((at, damage): (i64, String)) -> Result<Check, Error> {
    let damage = serde_json::from_str(&damage).map_err(|error| Error::Unreadable(error.to_string()))?;
    Ok(Check { at: Timestamp::from_millis(at), damage })
}

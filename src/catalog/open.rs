use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::Error;
use crate::files::{self, Mutant};

/// One connection to the catalog. Several processes may have one; only the owner of the archive changes facts,
/// everybody may ask ([`super::Request`]).
#[derive(Debug)]
pub struct Catalog {
    connection: Mutex<Connection>,
}

const MIGRATIONS: [&str; 1] = [include_str!("../../schemas/catalog/0001_spine.sql")];

/// Another process holds the write lock for one group commit at a time.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// The first SQLite without the WAL-reset bug.
const OLDEST_SQLITE: i32 = 3_051_003;

impl Catalog {
    /// Opens or creates the catalog of the archive in `folder` and brings its schema up to date. For the owner.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(Error::OldSqlite(rusqlite::version()));
        }
        let path = folder.join("catalog.db");
        if !path.exists() {
            if holds_packs(&folder.join("packs")) {
                return Err(Error::LostBesidePacks(path));
            }
            // SQLite gives the files it lays beside it the mode of this one. Never opened by us once it is there: with
            // any descriptor of it that a process closes, the kernel drops SQLite's locks, and a reader elsewhere may
            // then take the log away under the owner.
            drop(files::create_private_file(&path));
        }
        let catalog = Self::connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        catalog.migrate(&path)?;
        Ok(catalog)
    }

    /// Opens the catalog beside its owner; `None` where there is none yet.
    pub fn beside(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join("catalog.db");
        if !path.exists() {
            return Ok(None);
        }
        let catalog = Self::connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        match catalog.schema_version()? {
            0 => Ok(None),
            found if found > known_version() => Err(Error::Newer { path, found, known: known_version() }),
            _ => Ok(Some(catalog)),
        }
    }

    /// One more connection to the same catalog, which need not wait for this one.
    pub fn another(&self) -> Result<Self, Error> {
        let path = self.connection().path().unwrap_or_default().to_owned();
        Self::connect(Path::new(&path), OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, Error> {
        let failed = |source| Error::open(path, source);
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
                 PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;",
            )
            .map_err(failed)?;
        if files::mutant(Mutant::LogInMemory) {
            connection.execute_batch("PRAGMA journal_mode = MEMORY").map_err(failed)?;
        }
        if files::mutant(Mutant::SynchronousNormal) {
            connection.execute_batch("PRAGMA synchronous = NORMAL").map_err(failed)?;
        }
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn migrate(&self, path: &Path) -> Result<(), Error> {
        let found = self.schema_version()?;
        if found > known_version() {
            return Err(Error::Newer { path: path.to_owned(), found, known: known_version() });
        }
        let mut connection = self.connection();
        for (version, migration) in (1..).zip(MIGRATIONS).skip_while(|(version, _)| *version <= found) {
            let transaction = connection.transaction()?;
            transaction.execute_batch(migration)?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()?;
        }
        Ok(())
    }

    fn schema_version(&self) -> Result<i64, Error> {
        Ok(self.connection().pragma_query_value(None, "user_version", |row| row.get(0))?)
    }

    /// A number that changes when another connection commits.
    pub fn data_version(&self) -> Result<i64, Error> {
        Ok(self.connection().pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic while the lock was held rolled its transaction back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// SQLite's own check of the whole file, in SQLite's words; empty when all is well.
    pub fn integrity_problems(&self) -> Result<Vec<String>, Error> {
        let connection = self.connection();
        let mut problems = Vec::new();
        for check in ["PRAGMA integrity_check", "PRAGMA foreign_key_check"] {
            let mut statement = connection.prepare(check)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let word: rusqlite::types::Value = row.get(0)?;
                match word {
                    rusqlite::types::Value::Text(text) if text == "ok" => {}
                    rusqlite::types::Value::Text(text) => problems.push(text),
                    other => problems.push(format!("a broken reference: {other:?}")),
                }
            }
        }
        Ok(problems)
    }
}

const fn known_version() -> i64 {
    MIGRATIONS.len() as i64
}

fn holds_packs(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

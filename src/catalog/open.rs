use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Error, fingerprint};
use crate::files::{self, Mutant};

/// One connection to the catalog. Several processes may have one; only the owner of the archive changes facts,
/// everybody may ask ([`super::Request`]).
#[derive(Debug)]
pub struct Catalog {
    connection: Mutex<Connection>,
}

const MIGRATIONS: [&str; 10] = [
    include_str!("../../schemas/catalog/0001_spine.sql"),
    include_str!("../../schemas/catalog/0002_ground.sql"),
    include_str!("../../schemas/catalog/0003_marks.sql"),
    include_str!("../../schemas/catalog/0004_dialog.sql"),
    include_str!("../../schemas/catalog/0005_accounts.sql"),
    include_str!("../../schemas/catalog/0006_scanning.sql"),
    include_str!("../../schemas/catalog/0007_cheaper_rows.sql"),
    include_str!("../../schemas/catalog/0008_more_marks.sql"),
    include_str!("../../schemas/catalog/0009_documents.sql"),
    include_str!("../../schemas/catalog/0010_threads.sql"),
];

/// What all migrations come to: a new catalog begins with it, in a tenth of the time.
const WHOLE: &str = include_str!("../../schemas/catalog/whole.sql");

/// Another process holds the write lock for one group commit at a time.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Making a new catalog takes a few of these.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Ids are random, so each message touches pages all over the catalog: room for many of them in memory (16 MiB), …
const OWNER_MEMORY: &str = "PRAGMA cache_size = -16384;";

/// … and a log that is long enough (16 MiB) to write each of them back once for many messages.
const LOG_PAGES: u32 = 4096;

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
        catalog.connection().execute_batch(&format!("{OWNER_MEMORY} PRAGMA wal_autocheckpoint = {LOG_PAGES};"))?;
        Ok(catalog)
    }

    /// Opens the catalog beside its owner; `None` where there is none yet.
    pub fn beside(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join("catalog.db");
        if !path.exists() {
            if holds_packs(&folder.join("packs")) {
                return Err(Error::LostBesidePacks(path));
            }
            return Ok(None);
        }
        let catalog = Self::connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        match catalog.schema_version()? {
            0 => Ok(None),
            found if found > known_version() => Err(Error::Newer { path, found, known: known_version() }),
            found if found < known_version() => Err(Error::Older(path)),
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
        // What is destroyed must not stay behind in free pages.
        connection.pragma_update(None, "secure_delete", true).map_err(failed)?;
        connection
            .execute_batch(
                "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
                 PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;",
            )
            .map_err(failed)?;
        // SQLite goes on in another mode where it could not change to this one, and says so in its answer only.
        let mode = into_log_mode(&connection).map_err(failed)?;
        if mode != "wal" {
            return Err(Error::NoLog { path: path.to_owned(), mode });
        }
        fingerprint::teach(&connection).map_err(failed)?;
        // Without it, SQLite makes the plan of some queries anew for every value that they are asked with.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
        if files::mutant(Mutant::LogInMemory) {
            connection.execute_batch("PRAGMA journal_mode = MEMORY").map_err(failed)?;
        }
        if files::mutant(Mutant::SynchronousNormal) {
            connection.execute_batch("PRAGMA synchronous = NORMAL").map_err(failed)?;
        }
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection: Mutex::new(connection) })
    }

    pub(super) fn migrate(&self, path: &Path) -> Result<(), Error> {
        let found = self.schema_version()?;
        if found > known_version() {
            return Err(Error::Newer { path: path.to_owned(), found, known: known_version() });
        }
        let mut connection = self.connection();
        let mut step = |version: i64, statements: &str| {
            let transaction = connection.transaction()?;
            transaction.execute_batch(statements)?;
            transaction.pragma_update(None, "user_version", version)?;
            Ok(transaction.commit()?)
        };
        match found {
            0 => step(known_version(), WHOLE),
            _ => {
                (1..).zip(MIGRATIONS).skip_while(|(version, _)| *version <= found).try_for_each(|(to, by)| step(to, by))
            }
        }
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
}

/// The mode that the catalog is in now. Of several that open a new one at once, all but one are refused, and SQLite does not
/// let them wait as it does elsewhere.
fn into_log_mode(connection: &Connection) -> rusqlite::Result<String> {
    let begun = Instant::now();
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && begun.elapsed() < BUSY_TIMEOUT =>
            {
                std::thread::sleep(BUSY_PAUSE);
            }
            mode => return mode,
        }
    }
}

/// A catalog in memory, empty, with the schema as it should be.
pub(super) fn blank() -> Result<Connection, Error> {
    let connection = Connection::open_in_memory()?;
    fingerprint::teach(&connection)?;
    connection.execute_batch(WHOLE)?;
    Ok(connection)
}

const fn known_version() -> i64 {
    MIGRATIONS.len() as i64
}

fn holds_packs(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// The schema that the migrations make, one after the other.
    fn migrated() -> String {
        let connection = Connection::open_in_memory().unwrap();
        fingerprint::teach(&connection).unwrap();
        MIGRATIONS.iter().for_each(|migration| connection.execute_batch(migration).unwrap());
        schema(&connection)
    }

    fn schema(connection: &Connection) -> String {
        let of = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid";
        let mut statement = connection.prepare(of).unwrap();
        let objects = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        objects.map(|object| format!("{};\n\n", object.unwrap())).collect()
    }

    /// A command that is started at the same moment as the first daemon.
    #[test]
    fn a_new_catalog_may_be_looked_at_while_it_is_made() {
        for _ in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            let is_made = AtomicBool::new(false);
            let look = || {
                while !is_made.load(Ordering::Relaxed) {
                    Catalog::beside(folder.path()).unwrap();
                }
            };
            std::thread::scope(|scope| {
                scope.spawn(look);
                scope.spawn(look);
                let made = Catalog::open(folder.path());
                is_made.store(true, Ordering::Relaxed);
                made.unwrap();
            });
        }
    }

    #[test]
    fn a_query_is_planned_once_whatever_it_is_asked_with() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(folder.path()).unwrap();
        let connection = catalog.connection();
        let mut statement = connection.prepare(super::super::work::COLLECTED).unwrap();
        (1..4).for_each(|number| assert!(!statement.exists([number]).unwrap()));
        assert_eq!(statement.get_status(rusqlite::StatementStatus::RePrepare), 0);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test's own switch is no setting")]
    fn a_new_catalog_is_what_the_migrations_make_of_an_old_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/catalog/whole.sql");
        let head = "-- All migrations in one, for a new catalog. Made by them: UPDATE=1 cargo test a_new_catalog.\n\n";
        let expected = format!("{head}{}", migrated());
        if std::env::var_os("UPDATE").is_some() {
            files::publish(Path::new(path), expected.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
        assert_eq!(schema(&blank().unwrap()), migrated());
    }
}

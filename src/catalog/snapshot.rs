use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::{Catalog, Error};
use crate::files;

const NAME: &str = "catalog.db";
/// Between two tries to get hold of the catalog.
const PAUSE: Duration = Duration::from_millis(50);
/// In one go: pages taken at different moments would have to be taken again.
const ALL_PAGES: i32 = i32::MAX;

impl Catalog {
    /// Copies the catalog, as it is at one moment, into the folder `into`, which has none: others may write to it
    /// meanwhile. What was asked of the owner, and who it is, is left out. The copy is not durable yet.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`], whatever fails.
    pub fn snapshot(&self, into: &Path) -> Result<(), Error> {
        let path = into.join(NAME);
        // SQLite takes a file that is there as it is, with its mode; and says itself what is wrong with the place.
        drop(files::create_private_file(&path));
        self.copy_to(&path).map_err(|error| Error::snapshot(&path, error))
    }

    fn copy_to(&self, path: &Path) -> rusqlite::Result<()> {
        let source = self.connection();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut copy = Connection::open_with_flags(path, flags)?;
        copy.execute_batch("PRAGMA synchronous = OFF")?;
        Backup::new(&source, &mut copy)?.run_to_completion(ALL_PAGES, PAUSE, None)?;
        // One file, with nothing beside it.
        copy.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
        copy.execute_batch("DELETE FROM request; DELETE FROM owner")
    }
}

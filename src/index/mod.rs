//! SEARCH: the Tantivy index of what never changes about a message. Owns all of Tantivy.
//! Knows nothing about verdicts, accounts or rights: those reach a query as sets of message numbers.

mod document;
mod error;
mod explain;
mod facets;
mod forms;
mod numbers;
mod page;
mod reader;
mod schema;
mod suspicion;
mod tokenizer;
mod translate;
mod verify;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use rayon::ThreadPoolBuilder;
use tantivy::directory::MmapDirectory;
use tantivy::{Executor, IndexSettings, ReloadPolicy, TantivyError};

pub use document::Document;
pub use error::{Error, tell_no_caught_panics};
pub use explain::Explained;
pub use facets::Facets;
pub use numbers::{Facts, NumberSet};
pub use reader::{Hit, Hits, Page, Reader, Sort};
pub use schema::{VERSION, table};
pub use suspicion::{suspect, suspect_of};
pub use writer::Writer;

use error::guarded;
use schema::Fields;

use crate::files::create_private_dir;

/// Memory for writing that suits most: what one segment gathers before it goes to disk.
pub const WRITER_HEAP_BYTES: usize = 50 << 20;

/// More threads than this gain a search nothing: its largest segment takes the longest.
const MOST_SEARCHERS: usize = 4;

/// An index on disk. One process may write to it, any number may read it meanwhile.
#[derive(Clone)]
pub struct Index {
    inner: tantivy::Index,
    fields: Fields,
    folder: PathBuf,
}

impl Index {
    /// Opens the index in `folder`, which is made, readable by its owner only, where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Outdated`] and [`Error::Damaged`] ask for the folder to be removed and every message to be added
    /// again.
    pub fn create_or_open(folder: &Path) -> Result<Self, Error> {
        create_private_dir(folder).map_err(|error| Error::of(folder, error.into()))?;
        Self::with(folder, |directory| {
            if tantivy::Index::exists(&directory)? {
                return tantivy::Index::open(directory);
            }
            tantivy::Index::create(directory, schema::schema().0, settings())
        })
    }

    /// An empty index in place of whatever stands in `folder`. Nobody may be writing to that.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`] if it cannot be removed, or nothing be written.
    pub fn anew(folder: &Path) -> Result<Self, Error> {
        let removed = if folder.is_dir() { fs::remove_dir_all(folder) } else { fs::remove_file(folder) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::of(folder, error.into())),
            _ => Self::create_or_open(folder),
        }
    }

    /// Opens the index in `folder`.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where there is none, else as [`create_or_open`](Self::create_or_open).
    pub fn open(folder: &Path) -> Result<Self, Error> {
        if !folder.join("meta.json").exists() {
            return Err(Error::Missing { folder: folder.to_owned() });
        }
        Self::with(folder, tantivy::Index::open)
    }

    /// The one writer of this index, with so much memory for what is not on disk yet (15 MB or more).
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] while another one is open, here or in another process.
    pub fn writer(&self, heap_bytes: usize) -> Result<Writer, Error> {
        Writer::open(self, heap_bytes)
    }

    /// A reader that sees what was committed before each search, by whichever process.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if files are missing or not what was written.
    pub fn reader(&self) -> Result<Reader, Error> {
        guarded(&self.folder, || {
            let mut index = self.inner.clone();
            index.set_executor(searchers()?);
            let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
            Ok(Reader::over(self.clone(), reader))
        })
    }

    fn with(folder: &Path, open: impl FnOnce(MmapDirectory) -> tantivy::Result<tantivy::Index>) -> Result<Self, Error> {
        let (schema, fields) = schema::schema();
        let inner = guarded(folder, || open(MmapDirectory::open(folder)?))?;
        if inner.schema() != schema {
            return Err(Error::Outdated { folder: folder.to_owned() });
        }
        tokenizer::register(&inner);
        Ok(Self { inner, fields, folder: folder.to_owned() })
    }
}

/// The threads of a search, which share its segments among them.
fn searchers() -> tantivy::Result<Executor> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_SEARCHERS);
    if threads == 1 {
        return Ok(Executor::SingleThread);
    }
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|_| "search".to_owned());
    let pool = pool.start_handler(|_| error::guard_thread()).build();
    pool.map(|pool| Executor::ThreadPool(Arc::new(pool))).map_err(|error| TantivyError::SystemError(error.to_string()))
}

fn settings() -> IndexSettings {
    IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() }
}

//! READS AND REQUESTS: the archive in its user's words. The only place where the holds meet for reading.
//! Never writes mail, and knows nothing about screens or settings.

mod error;
mod journal;
mod ledger;
mod owner;
mod quarantine;
mod said;
mod search;
mod show;
mod status;
mod threads;
mod verify;

pub use error::Error;
pub use journal::{EntryShown, Head, ProofShown, Proved, ProvenShown, check_message, check_proof, read_key};
pub use ledger::{LedgerShown, LineShown, SessionShown};
pub use owner::{OwnerTold, ScannerStatus};
pub use quarantine::{
    AskedShown, Decided, ExportShown, Exported, FoundIn, ItemShown, ItemTold, Outcome, ReadingShown, ReleaseShown,
    Sealed, Standing, Wish,
};
pub use said::{NoteShown, SavedShown, TagShown, Tagged};
pub use search::{Count, Explanation, Facets, Hit, Matching, Order, Piece, Results, Search, Skipped};
pub use show::{Access, DestroyedShown, EnvelopeShown, Header, Met, PartShown, PartText, Shown, Stub, ViewShown};
pub use status::{AccountState, AccountStatus, Backlogs, RescanStatus, StageStatus, Stages, Status};
pub use threads::ThreadShown;
pub use verify::{Checked, Damage, Depth, LeftOver, Pace, Report};

/// A message of the archive, as [`Archive::find`] hands it out.
pub use crate::catalog::MessageRow as Message;

/// For the beginning of a program that searches.
pub use crate::index::tell_no_caught_panics;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::catalog::{Catalog, Committed, Destroyed, Told};
use crate::journal::Entry;
use crate::mail::text::Stemming;
use crate::mail::{BlobIdPrefix, Clock, Event, Occurrence, ParseIdError};
use crate::{index, store};

/// An archive opened for reading, beside its owner or alone.
#[derive(Debug)]
pub struct Archive {
    folder: PathBuf,
    catalog: Arc<Catalog>,
    reader: Arc<store::Reader>,
    clock: Clock,
    /// Opened with the first search.
    index: OnceLock<index::Reader>,
    stemming: Stemming,
    recent: search::Recent,
}

impl Archive {
    /// Opens the archive in `folder`.
    pub fn open(folder: &Path, clock: Clock) -> Result<Self, Error> {
        let catalog = Catalog::beside(folder)?.ok_or_else(|| Error::NoArchive(folder.to_owned()))?;
        let reader = store::Reader::new(&folder.join("packs"));
        Ok(Self::of(folder, Arc::new(catalog), Arc::new(reader), clock))
    }

    /// The archive of a process that has it open already.
    pub fn of(folder: &Path, catalog: Arc<Catalog>, reader: Arc<store::Reader>, clock: Clock) -> Self {
        Self {
            folder: folder.to_owned(),
            catalog,
            reader,
            clock,
            index: OnceLock::new(),
            stemming: Stemming::default(),
            recent: search::Recent::default(),
        }
    }

    /// Searched so that a word finds its other forms, too.
    #[must_use]
    pub fn with_stemming(self, stemming: Stemming) -> Self {
        Self { stemming, ..self }
    }

    /// The message whose id begins with what a person typed.
    pub fn find(&self, id: &str) -> Result<Message, Error> {
        let prefix: BlobIdPrefix = id.parse().map_err(|_: ParseIdError| Error::NotAnId(id.to_owned()))?;
        let mut found = self.catalog.with_prefix(&prefix)?;
        match (found.pop(), found.pop()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Error::NoMessage(id.to_owned())),
            (Some(_), Some(_)) => Err(Error::Ambiguous(id.to_owned())),
        }
    }

    fn blob(&self, row: &Message) -> Result<store::Blob, Error> {
        let (pack, ordinal) = row.place;
        if row.purged.is_some() {
            self.is_there(row)?;
        }
        let blob = match self.reader.open(store::Location { pack, ordinal }) {
            // Or destroyed since the row was read.
            Err(error @ store::Error::NoRecord(_)) => return self.is_there(row).and(Err(error.into())),
            opened => opened?,
        };
        if blob.stored().id != row.message.id {
            return Err(Error::OtherRecord { id: row.message.id, pack, ordinal });
        }
        Ok(blob)
    }

    fn index_folder(&self) -> PathBuf {
        self.folder.join("index")
    }

    fn is_there(&self, row: &Message) -> Result<(), Error> {
        match self.catalog.destroyed(row.number)? {
            Some(Destroyed { at, by, reason, .. }) => {
                Err(Error::Destroyed { id: row.message.id.short(), at, by, reason })
            }
            None => Ok(()),
        }
    }

    /// Puts an event about reading, checking or deciding on record.
    fn tell(&self, event: Event) -> Result<(), Error> {
        told(self.catalog.commit(&[], &[self.occurred(event)])?)
    }

    /// The same without waiting for the disk.
    fn tell_unsynced(&self, event: Event) -> Result<(), Error> {
        told(self.catalog.commit_unsynced(&[self.occurred(event)])?)
    }

    fn occurred(&self, event: Event) -> Told {
        let occurrence = Occurrence { at: self.clock.now(), event };
        let Entry { leaf, record } = Entry::new(&occurrence);
        Told::new(occurrence, leaf, record)
    }
}

fn told(outcomes: Vec<Committed>) -> Result<(), Error> {
    match outcomes.into_iter().next() {
        Some(Committed::Refused(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::worker::Wake;
use crate::catalog::{Catalog, PackExtent};
use crate::journal::Entry;
use crate::mail::{Clock, Event, Occurrence};
use crate::{catalog, store};

/// What every stage needs of the archive, opened once by the process that owns it.
#[derive(Clone, Debug)]
pub struct Holds {
    /// The archive's folder.
    pub folder: PathBuf,
    pub catalog: Arc<Catalog>,
    pub reader: Arc<store::Reader>,
    pub clock: Clock,
    pub wake: Wake,
    /// Held by whoever rewrites packs.
    pub rewriting: Arc<Mutex<()>>,
}

impl Holds {
    pub fn packs(&self) -> PathBuf {
        self.folder.join("packs")
    }

    pub fn index_folder(&self) -> PathBuf {
        self.folder.join("index")
    }

    /// Takes messages that grow large while they arrive.
    pub fn spool(&self) -> PathBuf {
        self.folder.join("spool")
    }

    /// Records events that bring no octets of their own: facts and journal entries in one transaction. Their private
    /// records go into a pack with one of the next batches.
    pub fn tell(&self, events: Vec<Event>) -> Result<(), catalog::Error> {
        if events.is_empty() {
            return Ok(());
        }
        let at = self.clock.now();
        let told: Vec<catalog::Told> = events
            .into_iter()
            .map(|event| {
                let occurrence = Occurrence { at, event };
                let Entry { leaf, record } = Entry::new(&occurrence);
                catalog::Told::new(occurrence, leaf, record)
            })
            .collect();
        for outcome in self.catalog.commit(&[], &told)? {
            if let catalog::Committed::Refused(error) = outcome {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// The catalog's word for a place in the store.
pub(super) const fn place(location: store::Location) -> (u64, u32) {
    (location.pack, location.ordinal)
}

/// The store's word for a place that the catalog names.
pub(super) const fn location((pack, ordinal): (u64, u32)) -> store::Location {
    store::Location { pack, ordinal }
}

pub(super) fn extents(extents: &[store::Extent]) -> Vec<PackExtent> {
    extents.iter().map(|extent| (extent.pack, extent.bytes, extent.records)).collect()
}

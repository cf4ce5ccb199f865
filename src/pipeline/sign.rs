//! Brings the journal up to date: leaves from the catalog's outbox into the tree, and a signed checkpoint over them.

use super::Error;
use crate::catalog::{Catalog, PackRow};
use crate::files::{self, Mutant};
use crate::journal::{Log, PackMark};

/// Leaves that one checkpoint takes in at the most.
const AT_ONCE: u32 = 4096;

/// That a signed checkpoint, durable in the journal's folder, covers the first entries. Only signing makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Covered(u64);

impl Covered {
    /// How many entries are covered.
    pub const fn entries(self) -> u64 {
        self.0
    }

    /// What nobody has signed.
    pub(super) fn by_mutant() -> Option<Self> {
        files::mutant(Mutant::DeleBeforeCheckpoint).then_some(Self(u64::MAX))
    }
}

/// The owner's hand on the journal.
#[derive(Debug)]
pub struct Signing {
    log: Log,
}

/// Why the journal and the catalog cannot belong together: nothing may be written then.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    #[error(
        "catalog.db is an older copy: it knows {known} journal entries, and {signed} are signed. Put back the one that \
         belongs to these packs, or run: poplar rebuild"
    )]
    OldCatalog { known: u64, signed: u64 },
    #[error(
        "the journal was cut back: {found} entries are signed there, but {signed} were. Somebody put back an older copy \
         of journal/, or removed part of it"
    )]
    OldJournal { found: u64, signed: u64 },
    #[error("the journal's checkpoint is not the one that was signed last for {size} entries")]
    OtherCheckpoint { size: u64 },
    #[error(
        "journal entry {0} is not what the catalog says it is: catalog.db may be an older copy. Put back the one that \
         belongs to these packs, or run: poplar rebuild"
    )]
    OtherLeaf(u64),
}

impl Signing {
    /// Takes the log, once it fits what the catalog says was signed. What a crash kept the catalog from hearing is told.
    pub fn new(log: Log, catalog: &Catalog) -> Result<Self, Error> {
        let (signed, note) = catalog.checkpoint()?.unwrap_or_default();
        let (found, known) = (log.size(), catalog.entry_count()?);
        if found < signed {
            return Err(Mismatch::OldJournal { found, signed }.into());
        }
        if known < found {
            return Err(Mismatch::OldCatalog { known, signed: found }.into());
        }
        let found_note = log.checkpoint().map_or("", |checkpoint| checkpoint.text());
        if found == signed && signed > 0 && found_note != note {
            return Err(Mismatch::OtherCheckpoint { size: found }.into());
        }
        for index in signed..found {
            if catalog.unsigned_leaf(index)?.is_none_or(|leaf| log.leaf(index).ok() != Some(leaf)) {
                return Err(Mismatch::OtherLeaf(index).into());
            }
        }
        if found > signed {
            catalog.signed(found, found_note)?;
        }
        Ok(Self { log })
    }

    /// Covers every entry whose private record, and those of all before it, are in packs.
    pub fn sign(&mut self, catalog: &Catalog) -> Result<Covered, Error> {
        loop {
            let unsigned = catalog.unsigned(AT_ONCE)?;
            if unsigned.leaves.is_empty() {
                return Ok(Covered(unsigned.first));
            }
            // A crash, or a failure of the catalog, after the tree had them.
            let known = usize::try_from(self.log.size().saturating_sub(unsigned.first)).unwrap_or(usize::MAX);
            if let Some(fresh) = unsigned.leaves.get(known..).filter(|fresh| !fresh.is_empty()) {
                self.log.append(fresh, &marks(&unsigned.packs))?;
            }
            let note = self.log.checkpoint().map_or("", |checkpoint| checkpoint.text());
            catalog.signed(self.log.size(), note)?;
        }
    }
}

/// How far the open packs count, for a rebuild that has no catalog.
fn marks(packs: &[PackRow]) -> Vec<PackMark> {
    let open = packs.iter().filter(|pack| pack.sealed_bytes.is_none());
    open.map(|pack| PackMark { pack: pack.number, bytes: pack.committed_bytes, records: pack.records }).collect()
}

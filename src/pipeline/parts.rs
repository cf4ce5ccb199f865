use std::collections::{HashMap, HashSet};

use super::Error;
use super::holds::Holds;
use crate::mail::BlobId;
use crate::store::{self, Location, Packed};

/// Which parts the messages of each sealed pack refer to, as far as it has been looked up. Right as long as nobody else
/// seals.
#[derive(Debug, Default)]
pub(super) struct PartsUsed {
    /// `None` for a pack that cannot be read: it may refer to any.
    by_pack: HashMap<u64, Option<HashSet<Location>>>,
}

impl PartsUsed {
    /// The ordinals of those parts of a pack that messages of the packs which `asked` names refer to; `None` where that
    /// cannot be known. All sealed packs that are there count, also those that the catalog does not know.
    fn of(&mut self, holds: &Holds, pack: u64, asked: impl Fn(u64) -> bool) -> Result<Option<HashSet<u32>>, Error> {
        let mut ordinals = HashSet::new();
        for files in store::packs(&holds.packs())?.iter().filter(|files| files.sealed && asked(files.pack)) {
            let used = self.by_pack.entry(files.pack).or_insert_with(|| parts_used(holds, files.pack));
            let Some(used) = used else { return Ok(None) };
            ordinals.extend(used.iter().filter(|part| part.pack == pack).map(|part| part.ordinal));
        }
        Ok(Some(ordinals))
    }

    /// Those that other packs refer to.
    pub(super) fn by_others(&mut self, holds: &Holds, pack: u64) -> Result<Option<HashSet<u32>>, Error> {
        self.of(holds, pack, |other| other != pack)
    }

    /// A pack has been written anew.
    pub(super) fn forget(&mut self, pack: u64) {
        self.by_pack.remove(&pack);
    }
}

fn parts_used(holds: &Holds, pack: u64) -> Option<HashSet<Location>> {
    let mut used = HashSet::new();
    holds.reader.parts_used(&Packed::Sealed(pack), &mut |_, parts| used.extend(parts)).ok().map(|()| used)
}

/// How many of the parts that the catalog lists in a pack a message refers to, and the pack does not hold: `there` are
/// those that it holds. Where some pack cannot be read, any may be referred to.
pub(super) fn lacking(holds: &Holds, pack: u64, there: &HashSet<(u32, BlobId)>) -> Result<usize, Error> {
    let mut gone = holds.catalog.parts_in_pack(pack)?;
    gone.retain(|part| !there.contains(part));
    if gone.is_empty() {
        return Ok(0);
    }
    let used = PartsUsed::default().of(holds, pack, |_| true)?;
    Ok(gone.iter().filter(|(ordinal, _)| used.as_ref().is_none_or(|used| used.contains(ordinal))).count())
}

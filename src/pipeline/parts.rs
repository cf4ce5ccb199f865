use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Error;
use super::holds::Holds;
use crate::mail::BlobId;
use crate::store::{self, Location, Packed, Stored};

/// Which parts the messages of each sealed pack refer to, as far as it has been looked up; without those that may be
/// destroyed. Right as long as nobody else seals.
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

    /// The other packs that have to be written anew before this one, because parts in them go with messages that are
    /// destroyed in this one: once those are gone, nothing says any more that the parts were theirs. Not among them are packs
    /// that are noted themselves.
    pub(super) fn left_by_destroyed(&mut self, holds: &Holds, pack: u64) -> Result<BTreeSet<u64>, Error> {
        let mut parts: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
        for part in of_destroyed(holds, pack)? {
            if part.pack != pack {
                parts.entry(part.pack).or_default().insert(part.ordinal);
            }
        }
        let mut left = BTreeSet::new();
        for (other, ordinals) in parts {
            // What is there no more went before a crash.
            let there = holds.catalog.parts_in_pack(other)?;
            let there: Vec<u32> =
                there.into_iter().map(|(ordinal, _)| ordinal).filter(|part| ordinals.contains(part)).collect();
            if there.is_empty() || holds.catalog.purging()?.iter().any(|noted| noted.pack == other) {
                continue;
            }
            let used = self.of(holds, other, |_| true)?.ok_or(Error::PartsUnknown { pack: other })?;
            if there.iter().any(|part| !used.contains(part)) {
                left.insert(other);
            }
        }
        Ok(left)
    }

    /// A pack has been written anew.
    pub(super) fn forget(&mut self, pack: u64) {
        self.by_pack.remove(&pack);
    }
}

fn parts_used(holds: &Holds, pack: u64) -> Option<HashSet<Location>> {
    let destroyed = may_go(holds, pack).ok()?;
    let mut used = HashSet::new();
    let mut visit = |message: &Stored, parts: &[Location]| {
        if !destroyed.contains(&message.location.ordinal) {
            used.extend(parts);
        }
    };
    holds.reader.parts_used(&Packed::Sealed(pack), &mut visit).ok().map(|()| used)
}

/// The parts that messages of a pack refer to which may be destroyed, and are there still.
fn of_destroyed(holds: &Holds, pack: u64) -> Result<HashSet<Location>, Error> {
    let destroyed = may_go(holds, pack)?;
    let mut parts = HashSet::new();
    if destroyed.is_empty() || holds.reader.sealed_length(pack).is_none() {
        return Ok(parts);
    }
    holds.reader.parts_used(&Packed::Sealed(pack), &mut |message, of_message| {
        if destroyed.contains(&message.location.ordinal) {
            parts.extend(of_message);
        }
    })?;
    Ok(parts)
}

fn may_go(holds: &Holds, pack: u64) -> Result<HashSet<u32>, Error> {
    let destroyed = holds.catalog.destroyed_in(pack)?;
    Ok(destroyed.into_iter().filter(|record| record.may_go).map(|record| record.ordinal).collect())
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

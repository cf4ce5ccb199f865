//! Seals full packs: rewritten once, packed tightly, attachments stored once, and then never changed.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::error::blocking;
use super::holds::{Holds, location};
use super::parts::{self, PartsUsed};
use super::worker::stopping;
use super::{Error, Step, Work};
use crate::catalog::PackRow;
use crate::files::{self, Mutant};
use crate::mail::{AccountId, BlobId, Event, event};
use crate::store::{self, Extent, Location, PackFiles, Packed, RecordKind, Sealed, Stored};
use crate::telemetry;

/// zstd's level where nobody asks for another: by measurement the last one that is still fast.
pub const SEAL_LEVEL: i32 = 9;

/// Seals what is full, in the background.
#[derive(Debug)]
pub struct Sealing {
    holds: Holds,
    /// Packs that could not be sealed. What is damaged stays as it is until somebody looks at it.
    refused: HashSet<u64>,
}

impl Sealing {
    pub fn new(holds: Holds) -> Self {
        Self { holds, refused: HashSet::new() }
    }

    /// The oldest pack that does not grow any more and is not sealed yet. The last one is the one that grows.
    fn next(&self) -> Result<Option<PackRow>, Error> {
        let mut open = unsealed(&self.holds)?;
        open.pop();
        Ok(open.into_iter().find(|pack| !self.refused.contains(&pack.number)))
    }
}

impl Work for Sealing {
    fn name(&self) -> &'static str {
        "seal"
    }

    async fn step(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Step, Error> {
        let Some(pack) = self.next()? else { return Ok(Step::Idle(None)) };
        let stopped = Arc::new(AtomicBool::new(false));
        let (holds, told) = (self.holds.clone(), stopped.clone());
        let sealing = blocking(move || {
            let mut rewriter = holds.rewriter();
            // Somebody may have asked for it meanwhile.
            let is_open = unsealed(&holds)?.iter().any(|open| open.number == pack.number);
            if is_open { rewriter.seal(&pack, SEAL_LEVEL, &told).map(drop) } else { Ok(()) }
        });
        tokio::pin!(sealing);
        let outcome = tokio::select! {
            outcome = &mut sealing => outcome,
            () = stopping(stop) => {
                stopped.store(true, Ordering::Relaxed);
                sealing.await
            }
        };
        match outcome {
            Ok(_) | Err(Error::Closing) => Ok(Step::Worked),
            Err(error) if error.is_transient() => Err(error),
            Err(error) => {
                telemetry::pack_not_sealed(pack.number, &error);
                self.refused.insert(pack.number);
                Ok(Step::Worked)
            }
        }
    }
}

/// Packs that are not sealed yet, oldest first.
pub(super) fn unsealed(holds: &Holds) -> Result<Vec<PackRow>, Error> {
    Ok(holds.catalog.packs()?.into_iter().filter(|pack| pack.sealed_bytes.is_none()).collect())
}

/// Whoever has it rewrites packs; nobody else does at the time. So what refers to which part does not change unseen.
#[derive(Debug)]
pub struct Rewriter<'a> {
    holds: &'a Holds,
    used: PartsUsed,
    _turn: MutexGuard<'a, ()>,
}

impl Holds {
    /// Waits until nobody rewrites.
    pub fn rewriter(&self) -> Rewriter<'_> {
        let turn = self.rewriting.lock().unwrap_or_else(PoisonError::into_inner);
        Rewriter { holds: self, used: PartsUsed::default(), _turn: turn }
    }
}

impl Rewriter<'_> {
    /// Rewrites a pack that does not grow any more: published, then known to the catalog, then the old file is removed.
    /// Left out are records that the catalog does not name, messages that are destroyed on signed record, and parts that no
    /// message refers to, in this pack or in another. Also for one that is sealed already.
    ///
    /// # Errors
    ///
    /// [`Error::Closing`] where `stopped` turned true; nothing is changed then, nor at any other error.
    pub fn seal(&mut self, pack: &PackRow, level: i32, stopped: &AtomicBool) -> Result<Sealed, Error> {
        let packs = self.holds.catalog.packs()?;
        for other in self.used.left_by_destroyed(self.holds, pack.number)? {
            let sealed = packs.iter().find(|row| row.number == other && row.sealed_bytes.is_some());
            sealed.map(|row| self.rewrite(row, level, stopped)).transpose()?;
        }
        self.rewrite(pack, level, stopped)
    }

    fn rewrite(&mut self, pack: &PackRow, level: i32, stopped: &AtomicBool) -> Result<Sealed, Error> {
        let holds = self.holds;
        // It may have been sealed while this waited for its turn.
        let now = holds.catalog.packs()?.into_iter().find(|row| row.number == pack.number);
        let pack = &now.unwrap_or(*pack);
        holds.nothing_damaged_beside(pack)?;
        let wanted = Wanted::of(holds, pack.number)?;
        let used = match pack.sealed_bytes {
            Some(_) => self.used.by_others(holds, pack.number)?,
            None => None,
        };
        let known_part = |id: &BlobId| holds.catalog.part(id).ok().flatten().map(location);
        let sealing = store::Sealing {
            folder: &holds.packs(),
            level,
            wanted: &|stored| match stored.kind {
                RecordKind::Part => used.as_ref().is_none_or(|used| used.contains(&stored.location.ordinal)),
                RecordKind::Message | RecordKind::Private => wanted.contains(stored),
            },
            known_part: &known_part,
            stopped,
        };
        let sealed = match store::seal(&sealing, &packed(pack)) {
            Err(store::Error::Stopped) => return Err(Error::Closing),
            sealed => sealed?,
        };
        self.used.forget(pack.number);
        holds.adopt(&sealed)?;
        telemetry::pack_sealed(sealed.pack, sealed.messages, sealed.raw_bytes, sealed.bytes);
        Ok(sealed)
    }
}

impl Holds {
    /// What a crash or an accident left under the sealed pack's name is for people to look at.
    fn nothing_damaged_beside(&self, pack: &PackRow) -> Result<(), Error> {
        if pack.sealed_bytes.is_some() || self.reader.sealed_length(pack.number).is_none() {
            return Ok(());
        }
        match store::check_sealed(&self.packs(), pack.number) {
            Err(error) if is_damage(&error) => Err(store::Error::InTheWay { problem: Box::new(error) }.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Makes the catalog know a sealed pack that is there, and removes the open one.
    pub fn adopt(&self, sealed: &Sealed) -> Result<(), Error> {
        let parts: Vec<(BlobId, u32)> = sealed.parts.iter().map(|part| (part.id, part.location.ordinal)).collect();
        if files::mutant(Mutant::OpenRemovedBeforeCommit) {
            store::remove_open(&self.packs(), sealed.pack)?;
        }
        self.catalog.sealed((sealed.pack, sealed.bytes, sealed.records), &parts)?;
        store::remove_open(&self.packs(), sealed.pack)?;
        self.look_for_destroyed(sealed.pack)
    }
}

impl Holds {
    /// The packs, for the one process that writes them; with what a crash, or a copy from a backup, kept the catalog from
    /// hearing: that a pack is sealed, or compacted.
    ///
    /// # Errors
    ///
    /// [`store::Error::Foreign`] where there is a pack of another archive, [`store::Error::Lacks`] where a sealed pack does
    /// not hold what the catalog names. Nothing is removed then.
    pub fn open_packs(&self, archive: &AccountId) -> Result<store::Writer, Error> {
        let folder = self.packs();
        files::create_private_dir(&folder)
            .map_err(|error| Error::Setup(format!("cannot use {}: {error}", folder.display())))?;
        let damaged = self.hear_of_sealed(&folder, archive)?;
        let rows = self.catalog.packs()?;
        let (sealed, open): (Vec<PackRow>, Vec<PackRow>) = rows.into_iter().partition(|row| row.sealed_bytes.is_some());
        let sealed: Vec<u64> = sealed.iter().map(|row| row.number).collect();
        let extents: Vec<Extent> = open
            .iter()
            .map(|row| Extent { pack: row.number, bytes: row.committed_bytes, records: row.records })
            .collect();
        let writer = store::Writer::open(&folder, *archive.as_bytes(), &extents, &sealed)?;
        damaged.iter().try_for_each(|(pack, problem)| self.tell_damaged(*pack, problem))?;
        Ok(writer)
    }

    /// Sealed packs that are not as the catalog says: adopted, or left alone where they are damaged. Those that the
    /// catalog does not go by are given, each with what is wrong with it.
    fn hear_of_sealed(&self, folder: &Path, archive: &AccountId) -> Result<Vec<(u64, String)>, Error> {
        let rows = self.catalog.packs()?;
        let mut damaged = Vec::new();
        for files in store::packs(folder)?.iter().filter(|files| files.sealed) {
            let row = rows.iter().find(|row| row.number == files.pack);
            let known = row.and_then(|row| row.sealed_bytes);
            if known.is_some() && self.reader.sealed_length(files.pack) == known {
                continue;
            }
            let outcome = match row {
                Some(_) => self.adoptable(folder, files, archive).and_then(|sealed| self.adopt(&sealed)),
                None => store::read_sealed(folder, files.pack).map(drop).map_err(Error::from),
            };
            match outcome {
                // Damage of what the catalog goes by is for `verify` to name.
                Ok(()) => {}
                Err(_) if known.is_some() => {}
                Err(Error::Store(error)) if is_damage(&error) => damaged.push((files.pack, error.to_string())),
                Err(error) => return Err(error),
            }
        }
        Ok(damaged)
    }

    /// Puts on record, once, that a start has found a damaged pack.
    fn tell_damaged(&self, pack: u64, problem: &str) -> Result<(), Error> {
        let object = format!("pack {pack}");
        telemetry::damage_found(&object, problem);
        let damage = vec![format!("{object}: {problem}")];
        if self.catalog.last_check(&object)?.is_some_and(|check| check.damage == damage) {
            return Ok(());
        }
        let verified = event::Verified { scope: object, messages: 0, packs: 1, bytes: 0, damage };
        Ok(self.tell(vec![Event::Verified(verified)])?)
    }

    fn adoptable(&self, folder: &Path, files: &PackFiles, archive: &AccountId) -> Result<Sealed, Error> {
        if store::archive_of(folder, files)? != *archive.as_bytes() {
            return Err(store::Error::Foreign(store::sealed_path(folder, files.pack)).into());
        }
        store::check_sealed(folder, files.pack)?;
        let sealed = store::read_sealed(folder, files.pack)?;
        self.check_sealed(files.pack)?;
        Ok(sealed)
    }

    /// Whether a sealed pack holds every record that the catalog names, and every part that a message refers to: only
    /// then may it stand for the open one, or for itself before it was compacted.
    fn check_sealed(&self, pack: u64) -> Result<(), Error> {
        let Wanted(mut wanted) = Wanted::of(self, pack)?;
        let mut parts = HashSet::new();
        self.reader.list(&Packed::Sealed(pack), &mut |stored, _| match stored.kind {
            RecordKind::Part => drop(parts.insert((stored.location.ordinal, stored.id))),
            RecordKind::Message | RecordKind::Private => drop(wanted.remove(&Wanted::key(stored))),
        })?;
        match wanted.len() + parts::lacking(self, pack, &parts)? {
            0 => Ok(()),
            lacking => Err(store::Error::Lacks { path: store::sealed_path(&self.packs(), pack), lacking }.into()),
        }
    }
}

const fn is_damage(error: &store::Error) -> bool {
    matches!(error, store::Error::Damaged { .. } | store::Error::Newer { .. })
}

/// A pack as the store is to read it.
pub(super) const fn packed(pack: &PackRow) -> Packed {
    match pack.sealed_bytes {
        Some(_) => Packed::Sealed(pack.number),
        None => Packed::Open(Extent { pack: pack.number, bytes: pack.committed_bytes, records: pack.records }),
    }
}

/// Messages and private records of a pack that the catalog names. Others are left over from a batch that did not come to its
/// end, or destroyed.
struct Wanted(HashSet<(u64, u32, Option<BlobId>)>);

impl Wanted {
    fn of(holds: &Holds, pack: u64) -> Result<Self, Error> {
        let messages = holds.catalog.in_pack(pack)?;
        let mut wanted: HashSet<_> =
            messages.into_iter().map(|message| (pack, message.ordinal, Some(message.id))).collect();
        wanted.extend(holds.catalog.entries_in_pack(pack)?.into_iter().map(|entry| (pack, entry.ordinal, None)));
        Ok(Self(wanted))
    }

    fn contains(&self, stored: &Stored) -> bool {
        self.0.contains(&Self::key(stored))
    }

    fn key(stored: &Stored) -> (u64, u32, Option<BlobId>) {
        let Location { pack, ordinal } = stored.location;
        (pack, ordinal, (stored.kind != RecordKind::Private).then_some(stored.id))
    }
}

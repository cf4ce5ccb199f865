//! Makes the catalog anew from packs and journal alone, in a folder beside the old one.

use std::path::Path;

use super::Error;
use super::holds::{location, place};
use super::progress::Progress;
use crate::catalog::{Committed, Half, PackRow, Place, Rebuilding, Rebuilt, Told};
use crate::journal::{self, Commitment, Hash, LogReader};
use crate::mail::{AccountId, BlobId, Event, Occurrence};
use crate::store::{self, Extent, PackFiles, Reader, RecordKind};

/// What a rebuild came to.
#[derive(Clone, Debug, Default)]
pub struct Rebuild {
    pub packs: u64,
    /// Journal entries that became facts again.
    pub entries: u64,
    /// Events that were in packs but under no checkpoint yet, and became facts again.
    pub adopted: u64,
    /// What is missing or damaged: object and problem.
    pub damage: Vec<(String, String)>,
}

/// Facts that are written in one transaction.
const AT_ONCE: usize = 2048;

/// Its octets, unless it is lost.
type Leaf = Option<Vec<u8>>;

/// An archive's ground, and the catalog that is made of it.
struct Work<'a> {
    packs: &'a Path,
    reader: Reader,
    log: Option<LogReader>,
    catalog: Rebuilding,
    progress: &'a Progress,
    upto: u64,
    outcome: Rebuild,
}

/// Rebuilds the catalog of the archive in `folder` as `into/catalog.db`. Nothing in `folder` is changed.
///
/// Of events that no checkpoint covers, those are taken in that brought mail (`kept`, `sighted`): they lie in packs. The
/// rest of the last second before the catalog was lost is gone; nothing was deleted at a server for it.
pub fn rebuild(folder: &Path, into: &Path, progress: &Progress) -> Result<Rebuild, Error> {
    run(folder, into, u64::MAX, progress)
}

/// The same of the first `entries` of the journal alone, all of which have to be signed: to be compared with a catalog of
/// that moment.
pub fn rebuild_upto(folder: &Path, into: &Path, entries: u64, progress: &Progress) -> Result<Rebuild, Error> {
    run(folder, into, entries, progress)
}

fn run(folder: &Path, into: &Path, upto: u64, progress: &Progress) -> Result<Rebuild, Error> {
    let packs = folder.join("packs");
    let mut work = Work {
        packs: &packs,
        reader: Reader::new(&packs),
        log: LogReader::open(&folder.join("journal"))?,
        catalog: Rebuilding::begin(into)?,
        progress,
        upto,
        outcome: Rebuild::default(),
    };
    work.gather()?;
    work.replay()?;
    if upto == u64::MAX {
        work.adopt()?;
    }
    work.catalog.finish()?;
    Ok(work.outcome)
}

impl Work<'_> {
    fn damage(&mut self, object: impl Into<String>, problem: impl ToString) {
        self.outcome.damage.push((object.into(), problem.to_string()));
    }

    /// Which packs there are, and where every message and private record lies.
    fn gather(&mut self) -> Result<(), Error> {
        let archive = self.log.as_ref().map(|log| log.key().name().to_owned());
        let mut destroyed = Vec::new();
        for files in store::packs(self.packs)? {
            let written_for = store::archive_of(self.packs, &files).map(AccountId::from_bytes);
            if let (Ok(written_for), Some(archive)) = (written_for, &archive)
                && journal::origin(&written_for) != *archive
            {
                self.damage(format!("pack {}", files.pack), "belongs to another archive; it was left out");
                continue;
            }
            let pack = match self.sealed_counts(&files).and_then(|sealed| self.pack(files.pack, sealed)) {
                Ok(pack) => pack,
                Err(error) => {
                    self.damage(format!("pack {}", files.pack), error);
                    continue;
                }
            };
            let (mut messages, mut records) = (Vec::new(), Vec::new());
            let mut unreadable = None;
            let listed = self.reader.list(&super::seal::packed(&pack), &mut |stored, octets| match stored.kind {
                RecordKind::Message => messages.push((stored.id, place(stored.location))),
                RecordKind::Private => match octets.map(journal::read_record) {
                    Some(Ok((occurrence, commitment))) => {
                        records.push((commitment.hash(), place(stored.location)));
                        destroyed.extend(place_before(&occurrence.event));
                    }
                    Some(Err(error)) => drop(unreadable.get_or_insert_with(|| error.to_string())),
                    None => {}
                },
                RecordKind::Part => {}
            });
            let problem = listed.err().map(|error| error.to_string()).or(unreadable);
            problem.into_iter().for_each(|problem| self.damage(format!("pack {}", pack.number), problem));
            self.catalog.found(&messages, &records)?;
            self.outcome.packs += 1;
        }
        Ok(self.catalog.destroyed(&destroyed)?)
    }

    /// Whether the sealed pack is the one to go by: not a damaged one, while the open one is there that it was made of.
    fn sealed_counts(&mut self, files: &PackFiles) -> Result<bool, Error> {
        if !(files.sealed && files.open) {
            return Ok(files.sealed);
        }
        match store::check_sealed(self.packs, files.pack) {
            Ok(()) => Ok(true),
            Err(error) if error.is_transient() => Err(error.into()),
            Err(error) => {
                self.damage(format!("pack {}", files.pack), error);
                Ok(false)
            }
        }
    }

    /// Enters a pack. How far an open one counts, the checkpoint says; and behind that its frames, as far as they are
    /// whole.
    fn pack(&mut self, number: u64, is_sealed: bool) -> Result<PackRow, Error> {
        let (row, parts) = if is_sealed {
            // Of a damaged table the rows that can be read; the list names the damage.
            let sealed = store::readable_sealed(self.packs, number)?;
            let parts = sealed.parts.iter().map(|part| (part.id, part.location.ordinal)).collect();
            (pack_row(number, (sealed.bytes, sealed.records), Some(sealed.bytes)), parts)
        } else {
            let signed = self.log.as_ref().map(|log| log.checkpoint().packs().to_vec()).unwrap_or_default();
            let signed = signed.iter().find(|mark| mark.pack == number);
            // What is damaged there counts all the same: behind what counts, the next start cuts.
            let signed = signed.map(|mark| Extent { pack: number, bytes: mark.bytes, records: mark.records });
            let Extent { bytes, records, .. } = store::whole_extent(self.packs, number, signed.as_ref())?;
            (pack_row(number, (bytes, records), None), Vec::new())
        };
        self.catalog.pack(&row, &parts)?;
        Ok(row)
    }

    /// Every leaf, in order, with the private record that it commits to, becomes facts.
    fn replay(&mut self) -> Result<(), Error> {
        let Some(log) = self.log.take() else { return Ok(()) };
        let size = log.checkpoint().size();
        self.progress.want(size);
        let mut waiting = Vec::with_capacity(AT_ONCE);
        for number in 0..log.bundles() {
            let (first, leaves) = self.leaves(&log, number)?;
            for (index, leaf) in (first..self.upto).zip(leaves) {
                waiting.extend(self.rebuilt(index, leaf.as_deref())?);
                if waiting.len() == AT_ONCE {
                    self.apply(&mut waiting)?;
                }
            }
        }
        self.apply(&mut waiting)?;
        Ok(self.catalog.signed(size, log.checkpoint().text())?)
    }

    /// The leaves of a bundle, and the index of the first. Where a full bundle is damaged they are made anew: each follows
    /// from its private record, and is the one that has the hash in the tree. Without a partial one, which is
    /// the last, the journal cannot be gone on with, whatever is in the catalog.
    fn leaves(&mut self, log: &LogReader, number: u64) -> Result<(u64, Vec<Leaf>), Error> {
        match log.bundle(number) {
            Ok((first, leaves)) => Ok((first, leaves.into_iter().map(Some).collect())),
            Err(error @ journal::Error::Damaged { .. }) if log.is_full(number) => {
                self.damage("journal", error);
                let (first, hashes) = log.leaf_hashes(number)?;
                Ok((first, self.recall(&hashes)?))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn recall(&self, hashes: &[Hash]) -> Result<Vec<Leaf>, Error> {
        let mut leaves = vec![None; hashes.len()];
        for place in self.catalog.unclaimed()? {
            let Ok(octets) = self.reader.open(location(place)).and_then(store::Blob::octets) else { continue };
            let Ok((occurrence, commitment)) = journal::read_record(&octets) else { continue };
            let leaf = journal::leaf(&occurrence, &commitment);
            let hash = Hash::leaf(&leaf);
            if let Some(at) = hashes.iter().position(|wanted| *wanted == hash) {
                leaves[at] = Some(leaf);
            }
        }
        Ok(leaves)
    }

    /// What an entry becomes; where something is wrong with it, that is told, and it is nothing, or what the leaf alone says.
    fn rebuilt(&mut self, index: u64, leaf: Option<&[u8]>) -> Result<Option<Rebuilt>, Error> {
        let read = leaf.map_or_else(|| Ok(Err("its leaf is lost".to_owned())), |leaf| self.entry(index, leaf))?;
        Ok(match read {
            Ok(rebuilt) => Some(rebuilt),
            Err(problem) => {
                self.damage(format!("journal entry {index}"), problem);
                let told = leaf.and_then(journal::told_by_leaf);
                told.map(|occurrence| Rebuilt { index, occurrence, record: None })
            }
        })
    }

    /// An entry with its private record read; or, what is wrong with it.
    fn entry(&self, index: u64, leaf: &[u8]) -> Result<Result<Rebuilt, String>, Error> {
        let Some(commitment) = Commitment::in_leaf(leaf) else {
            return Ok(Err("its leaf names no commitment".to_owned()));
        };
        let Some(place) = self.catalog.claim(&commitment.hash())? else {
            return Ok(Err("its private record is in no pack".to_owned()));
        };
        match self.record(place) {
            Ok(occurrence) => Ok(Ok(Rebuilt { index, occurrence, record: Some(place) })),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    fn record(&self, place: Place) -> Result<Occurrence, Error> {
        let octets = self.reader.open(location(place))?.octets()?;
        Ok(journal::read_record(&octets)?.0)
    }

    fn apply(&mut self, waiting: &mut Vec<Rebuilt>) -> Result<(), Error> {
        for (index, error) in self.catalog.apply(waiting)? {
            self.damage(format!("journal entry {index}"), error);
        }
        self.outcome.entries += waiting.len() as u64;
        waiting.iter().for_each(|_| self.progress.did(0));
        waiting.clear();
        Ok(())
    }

    /// Mail that lies in packs, but whose leaf no checkpoint covers.
    fn adopt(&mut self) -> Result<(), Error> {
        for place in self.catalog.unclaimed()? {
            let Ok(octets) = self.reader.open(location(place)).and_then(store::Blob::octets) else { continue };
            let Ok((occurrence, commitment)) = journal::read_record(&octets) else { continue };
            let message = match &occurrence.event {
                Event::Kept(kept) => match self.catalog.message(&kept.message.id)? {
                    (false, Some(place)) => Some(place),
                    _ => continue,
                },
                Event::Sighted(sighted) if self.catalog.message(&sighted.message.id)?.0 => None,
                _ => continue,
            };
            let leaf = journal::leaf(&occurrence, &commitment);
            let told = Told { occurrence, leaf, record: Half::Stored(place), place: message };
            match self.catalog.catalog().commit(&[], &[told])?.into_iter().next() {
                Some(Committed::Refused(error)) => {
                    self.damage(format!("record {} of pack {}", place.1, place.0), error);
                }
                _ => self.outcome.adopted += 1,
            }
        }
        Ok(())
    }
}

/// Where the octets of a message lay that an event destroys: it was kept before, and nothing but this event says where.
fn place_before(event: &Event) -> Option<(BlobId, Place)> {
    match event {
        Event::Purged(purged) => Some((purged.message.id, (purged.pack, purged.ordinal))),
        _ => None,
    }
}

const fn pack_row(number: u64, (committed_bytes, records): (u64, u32), sealed_bytes: Option<u64>) -> PackRow {
    PackRow { number, committed_bytes, records, sealed_bytes, checked: None }
}

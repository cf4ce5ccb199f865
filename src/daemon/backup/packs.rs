//! Packs on their way into a backup: those that it has already are left alone, and a good one is never replaced by a damaged.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::folder::{Folder, failed, remove};
use crate::archive::Damage;
use crate::catalog::PackRow;
use crate::files::{self, Copied, Way};
use crate::pipeline::Progress;
use crate::store;

/// So much of the end of a pack tells one from another: of a sealed one it has the hash over all.
const TAIL_BYTES: u64 = 4096;

/// What became of the packs, over all tries.
#[derive(Debug, Default)]
pub(super) struct Carried {
    pub(super) linked: BTreeSet<u64>,
    pub(super) cloned: BTreeSet<u64>,
    pub(super) copied: BTreeSet<u64>,
    pub(super) copied_bytes: u64,
}

impl Carried {
    fn note(&mut self, pack: u64, copied: Copied) {
        match copied.way {
            Way::Linked => drop(self.linked.insert(pack)),
            Way::Cloned => drop(self.cloned.insert(pack)),
            Way::Copied => {
                self.copied.insert(pack);
                self.copied_bytes += copied.bytes;
            }
        }
    }

    pub(super) fn holds(&self, pack: u64) -> bool {
        [&self.linked, &self.cloned, &self.copied].iter().any(|packs| packs.contains(&pack))
    }
}

/// The packs of an archive, and where they go.
pub(super) struct Carrying<'a> {
    pub(super) source: PathBuf,
    pub(super) folder: &'a Folder,
    pub(super) progress: &'a Progress,
}

impl Carrying<'_> {
    /// Sees to it that the backup has every pack as its row says. Gives those that are not so in the archive: sealed or
    /// compacted since the rows were read, or damaged.
    pub(super) fn carry(&self, rows: &[PackRow], carried: &mut Carried) -> anyhow::Result<Vec<Damage>> {
        let mut damage = Vec::new();
        for row in rows {
            let problem = match row.sealed_bytes {
                Some(bytes) => self.sealed(row.number, bytes, carried)?,
                None => self.open(row, carried)?,
            };
            let object = format!("pack {}", row.number);
            damage.extend(problem.map(|problem| Damage { object, problem }));
            self.progress.did(row.stored_bytes());
        }
        Ok(damage)
    }

    fn sealed(&self, number: u64, bytes: u64, carried: &mut Carried) -> anyhow::Result<Option<String>> {
        let from = store::sealed_path(&self.source, number);
        let there = self.there(&store::sealed_path(Path::new("packs"), number));
        let (had, length) = (length(&there), length(&from));
        if length != Some(bytes) {
            if had.is_none() && length.is_some() {
                self.put(number, &from, None, carried)?;
            }
            let found = length.map(|length| format!("has {length} octets, {bytes} were sealed"));
            return Ok(Some(found.unwrap_or_else(|| "is not there".to_owned()) + kept(had == Some(bytes))));
        }
        if had == Some(bytes) && same_end(&from, &there, bytes) {
            return Ok(None);
        }
        if had.is_some()
            && let Err(error) = store::check_sealed(&self.source, number)
        {
            return Ok(Some(format!("{error}{}", kept(true))));
        }
        self.put(number, &from, None, carried)
    }

    fn open(&self, row: &PackRow, carried: &mut Carried) -> anyhow::Result<Option<String>> {
        let (from, bytes) = (store::open_path(&self.source, row.number), row.committed_bytes);
        let there = self.there(&store::open_path(Path::new("packs"), row.number));
        let (had, length) = (length(&there).unwrap_or(0), length(&from));
        match length {
            Some(length) if length >= bytes => {}
            Some(length) => {
                if had < length {
                    self.put(row.number, &from, Some(bytes), carried)?;
                }
                return Ok(Some("is shorter than committed".to_owned() + kept(had >= length)));
            }
            None => return Ok(Some("is not there".to_owned() + kept(had > 0))),
        }
        if had == bytes && same_end(&from, &there, bytes) {
            return Ok(None);
        }
        self.put(row.number, &from, Some(bytes), carried)
    }

    fn there(&self, name: &Path) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One that grows is never linked: it would go on growing in the backup. Gives what could not be read.
    fn put(
        &self,
        number: u64,
        from: &Path,
        most: Option<u64>,
        carried: &mut Carried,
    ) -> anyhow::Result<Option<String>> {
        let to = self.folder.place(&Path::new("packs").join(from.file_name().unwrap_or_default()));
        let copied = match most {
            Some(most) => files::copy(from, &to, most),
            None => files::link_or_copy(from, &to),
        };
        let copied = match copied {
            // Sealed just now.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !from.exists() => {
                return Ok(Some("is not there".to_owned()));
            }
            copied => copied.map_err(|error| failed("write", &to)(error))?,
        };
        carried.note(number, copied);
        let unreadable = copied.unreadable_bytes;
        Ok((unreadable > 0).then(|| format!("{unreadable} octets could not be read; the copy has zeros there")))
    }
}

/// Removes what no row names, and open packs whose sealed ones are there whole. Gives what is wrong with those.
pub(super) fn sweep(packs: &Path, rows: &[PackRow]) -> anyhow::Result<Vec<Damage>> {
    let mut damage = Vec::new();
    for found in store::packs(packs)? {
        let row = rows.iter().find(|row| row.number == found.pack);
        match row.map(|row| row.sealed_bytes.is_some()) {
            Some(true) if found.open => {
                if let Err(error) = store::remove_open(packs, found.pack) {
                    damage.push(Damage { object: format!("pack {}", found.pack), problem: error.to_string() });
                }
            }
            Some(true) => {}
            Some(false) => remove(&store::sealed_path(packs, found.pack))?,
            None => {
                remove(&store::sealed_path(packs, found.pack))?;
                remove(&store::open_path(packs, found.pack))?;
            }
        }
    }
    Ok(damage)
}

const fn kept(had: bool) -> &'static str {
    if had { "; the backup keeps the one that it has" } else { "" }
}

fn length(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.len())
}

/// Whether the octets before `upto` are the same in both.
fn same_end(one: &Path, other: &Path, upto: u64) -> bool {
    let inode = |path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    inode(one).is_some_and(|inode_of_one| inode(other) == Some(inode_of_one)) || {
        let (one, other) = (end(one, upto), end(other, upto));
        one.is_some() && one == other
    }
}

fn end(path: &Path, upto: u64) -> Option<Vec<u8>> {
    let mut octets = vec![0; usize::try_from(upto.min(TAIL_BYTES)).ok()?];
    File::open(path).ok()?.read_exact_at(&mut octets, upto.saturating_sub(TAIL_BYTES)).ok()?;
    Some(octets)
}

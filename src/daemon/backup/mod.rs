//! A copy of the archive as it is at one moment, while it goes on: the catalog by SQLite's own means, and just the octets
//! of packs and journal that this catalog counts. The second time only what is new.
//! Knows nothing about what the octets mean, and asks nothing of the process that owns the archive.

mod folder;
mod packs;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

pub use folder::Refused;
pub(super) use folder::{Folder, apart, failed, refused, remove};

use self::packs::{Carried, Carrying};
use crate::archive::{self, Archive, Damage, Depth, Pace};
use crate::catalog::{Catalog, PackRow};
use crate::config::Config;
use crate::files;
use crate::journal::{self, LogReader};
use crate::mail::Clock;
use crate::pipeline::Progress;

/// What became of it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Outcome {
    pub messages: u64,
    /// Journal entries under the checkpoint.
    pub entries: u64,
    /// The signed note over them; `null` where nothing is signed yet.
    pub checkpoint: Option<String>,
    pub packs: u64,
    /// Of the packs: those that were there already.
    pub unchanged: u64,
    /// Those that are hard links: the same file as the archive's, and lost with its disk.
    pub linked: u64,
    /// Those that share their blocks with the archive's.
    pub cloned: u64,
    pub copied: u64,
    /// Octets of the packs that were copied.
    pub copied_bytes: u64,
    /// Octets of the catalog, which is copied each time.
    pub catalog_bytes: u64,
    /// Whether every octet of the backup was read and checked.
    pub verified: bool,
    /// What is missing or damaged.
    pub damage: Vec<Damage>,
}

/// The catalog as it was copied.
#[derive(Debug)]
struct Moment {
    messages: u64,
    packs: Vec<PackRow>,
    checkpoint: Option<(u64, String)>,
    catalog_bytes: u64,
}

/// A pack that was sealed or compacted between catalog and packs means a newer catalog; one that stays as it is, damage.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Backs the archive up into the folder `to`, beside its owner or alone. Blocks.
///
/// # Errors
///
/// [`Refused`] for a folder that cannot take it, [`owner::Error::Owned`](super::owner::Error::Owned) while another backup
/// into it goes on. Whatever else fails, the sentence says what there is in the folder.
pub fn backup(
    config: &Config,
    to: &Path,
    depth: Depth,
    clock: Clock,
    progress: &Progress,
    pace: &mut Pace<'_>,
) -> anyhow::Result<Outcome> {
    let source = &config.data_dir;
    let none = || archive::Error::NoArchive(source.clone());
    let catalog = Catalog::beside(source)?.ok_or_else(none)?;
    let id = catalog.archive_value("id")?.ok_or_else(none)?;
    let folder = Folder::for_backup(to, source, &id)?;
    let work = Work { source, folder: &folder, progress };
    let mut outcome = work.run(&catalog).map_err(|error| {
        folder.give_up();
        stands(&folder, &error)
    })?;
    let report = Archive::open(to, clock)?.check(depth, pace);
    add(&mut outcome.damage, report.damage);
    outcome.verified = depth == Depth::Full;
    Ok(outcome)
}

/// What was found twice is told once.
fn add(damage: &mut Vec<Damage>, found: Vec<Damage>) {
    for one in found {
        if !damage.contains(&one) {
            damage.push(one);
        }
    }
}

fn stands(folder: &Folder, error: &anyhow::Error) -> anyhow::Error {
    if let Some(Refused { folder, problem }) = error.downcast_ref() {
        return refused(folder, problem);
    }
    let place = folder.path().display();
    match folder.has_backup() {
        true => anyhow::anyhow!("{error}. The backup that is in {place} is whole, as it was"),
        false => anyhow::anyhow!("{error}. There is no whole backup in {place} yet"),
    }
}

struct Work<'a> {
    source: &'a Path,
    folder: &'a Folder,
    progress: &'a Progress,
}

impl Work<'_> {
    fn run(&self, catalog: &Catalog) -> anyhow::Result<Outcome> {
        let mut carried = Carried::default();
        let (moment, mut damage) = self.catalog_and_packs(catalog, &mut carried)?;
        damage.extend(self.journal(&moment)?);
        self.secrets()?;
        self.folder.commit()?;
        damage.extend(packs::sweep(&self.folder.path().join("packs"), &moment.packs)?);
        let entries = moment.checkpoint.as_ref().map_or(0, |(size, _)| *size);
        journal::sweep(&self.folder.path().join("journal"), entries)?;
        let there = |row: &&PackRow| !carried.holds(row.number) && has(self.folder, row.number);
        Ok(Outcome {
            messages: moment.messages,
            entries,
            packs: moment.packs.len() as u64,
            unchanged: moment.packs.iter().filter(there).count() as u64,
            linked: carried.linked.len() as u64,
            cloned: carried.cloned.len() as u64,
            copied: carried.copied.len() as u64,
            copied_bytes: carried.copied_bytes,
            catalog_bytes: moment.catalog_bytes,
            checkpoint: moment.checkpoint.map(|(_, note)| note),
            verified: false,
            damage,
        })
    }

    fn catalog_and_packs(&self, catalog: &Catalog, carried: &mut Carried) -> anyhow::Result<(Moment, Vec<Damage>)> {
        let (folder, progress) = (self.folder, self.progress);
        let carrying = Carrying { source: self.source.join("packs"), folder, progress };
        let mut looks = 1;
        loop {
            let moment = self.snapshot(catalog)?;
            self.goes_on(&moment)?;
            self.progress.want(moment.packs.len() as u64);
            let damage = carrying.carry(&moment.packs, carried)?;
            if damage.is_empty() || looks == LOOKS {
                return Ok((moment, damage));
            }
            looks += 1;
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    fn snapshot(&self, catalog: &Catalog) -> anyhow::Result<Moment> {
        self.folder.begin()?;
        let next = self.folder.next();
        catalog.snapshot(&next)?;
        let moment = {
            let copy = Catalog::beside(&next)?.ok_or_else(|| archive::Error::NoArchive(self.source.to_owned()))?;
            Moment {
                messages: copy.totals()?.0,
                packs: copy.packs()?,
                checkpoint: copy.checkpoint()?,
                catalog_bytes: 0,
            }
        };
        let path = next.join("catalog.db");
        // SQLite has closed it.
        let file = File::open(&path).map_err(failed("read", &path))?;
        files::sync_data(&file, &path);
        let catalog_bytes = file.metadata().map_err(failed("read", &path))?.len();
        Ok(Moment { catalog_bytes, ..moment })
    }

    /// Refuses to put this archive in the place of a backup from which its journal does not go on: of a history that
    /// parted from this one, or of one that is longer.
    fn goes_on(&self, moment: &Moment) -> anyhow::Result<()> {
        let Some(earlier) = self.earlier()? else { return Ok(()) };
        let size = earlier.checkpoint().size();
        let log = moment.checkpoint.as_ref().map(|(_, note)| LogReader::at(&self.source.join("journal"), note));
        match log.transpose().map(|log| log.map_or(Ok(size == 0), |log| log.continues(earlier.checkpoint()))) {
            Ok(Ok(false)) => {
                Err(self.unfit(&format!("its journal has {size} entries that the archive's does not go on from")))
            }
            // Damage, which is told when the tree is copied.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn earlier(&self) -> anyhow::Result<Option<LogReader>> {
        let journal = self.folder.path().join("journal");
        match self.folder.has_backup() {
            true => LogReader::open(&journal).map_err(|error| self.unfit(&error.to_string())),
            false => Ok(None),
        }
    }

    /// The tree under the catalog's checkpoint: what was signed since is none of this backup's.
    fn journal(&self, moment: &Moment) -> anyhow::Result<Vec<Damage>> {
        let (from, to) = (self.source.join("journal"), self.folder.path().join("journal"));
        self.replace(&from.join("key"), Path::new("journal/key"))?;
        let Some((_, note)) = &moment.checkpoint else { return Ok(Vec::new()) };
        let log = match LogReader::at(&from, note) {
            Ok(log) => log,
            Err(error) => return Ok(vec![Damage { object: "journal".to_owned(), problem: error.to_string() }]),
        };
        let covered = self.earlier()?.map_or(0, |earlier| earlier.checkpoint().size());
        let damage = log.copy_into(&to, covered)?;
        let path = self.folder.next().join("journal/checkpoint");
        files::publish(&path, note.as_bytes()).map_err(failed("write", &path))?;
        let found = |(file, problem)| Damage { object: format!("journal/{file}"), problem };
        Ok(damage.into_iter().map(found).collect())
    }

    fn unfit(&self, problem: &str) -> anyhow::Error {
        let advice = "Nothing in it was changed; back up into an empty folder";
        refused(self.folder.path(), format!("the backup in this folder is not an earlier one: {problem}. {advice}"))
    }

    fn secrets(&self) -> anyhow::Result<()> {
        let secrets = self.source.join("secrets");
        for path in listed(&secrets)?.iter().filter(|path| path.is_file()) {
            self.replace(path, &Path::new("secrets").join(path.file_name().unwrap_or_default()))?;
        }
        Ok(())
    }

    /// A small file, if it is there.
    fn replace(&self, from: &Path, name: &Path) -> anyhow::Result<()> {
        let to = self.folder.next().join(name);
        match fs::read(from) {
            Ok(octets) => files::publish(&to, &octets).map_err(failed("write", &to)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("read", from)(error)),
        }
    }
}

fn has(folder: &Folder, pack: u64) -> bool {
    let packs = folder.path().join("packs");
    crate::store::sealed_path(&packs, pack).exists() || crate::store::open_path(&packs, pack).exists()
}

/// The paths in a folder, none where it is not there.
pub(super) fn listed(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("list", folder))?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<std::io::Result<_>>().map_err(failed("list", folder))
}

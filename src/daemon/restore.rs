//! A backup becomes an archive again: beside its place, and renamed to it once it is whole.
//! Never links: what the archive does from now on is nothing to the backup.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;

use super::backup::{Folder, apart, failed, listed, refused, remove};
use super::marks;
use crate::archive::{Archive, Damage, Depth, Pace};
use crate::catalog::{Catalog, PackRow};
use crate::config::Config;
use crate::files;
use crate::journal::LogReader;
use crate::mail::Clock;
use crate::pipeline::{Holds, Indexing, Progress, StageTrouble, Step, Wake, Work};
use crate::store;

/// What became of it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Outcome {
    pub messages: u64,
    /// Messages in the index, which is made anew.
    pub indexed: u64,
    pub packs: u64,
    /// Octets of the packs.
    pub bytes: u64,
    /// Journal entries under the checkpoint.
    pub entries: u64,
    /// The signed note over them, from which the journal goes on; `null` where nothing is signed yet.
    pub checkpoint: Option<String>,
    /// Whether every octet was read and checked.
    pub verified: bool,
    /// What is missing or damaged.
    pub damage: Vec<Damage>,
}

/// Restores the backup in the folder `from` into the configured folder of the archive, which is not there or empty.
///
/// # Errors
///
/// [`Refused`](super::backup::Refused) for folders that cannot be used. Whatever fails, nothing is left of the restore.
pub async fn restore(
    config: &Config,
    from: &Path,
    depth: Depth,
    clock: Clock,
    progress: &Progress,
    pace: &mut Pace<'_>,
) -> anyhow::Result<Outcome> {
    let to = &config.data_dir;
    apart(from, to)?;
    empty(to)?;
    let folder = Folder::of_backup(from)?;
    let restoring = Restoring { from: folder.path(), beside: beside(to)?, progress };
    let mut outcome = restoring.run(&clock).await?;
    files::move_in(&restoring.beside, to).map_err(failed("rename the restored archive to", to))?;
    let report = Archive::open(to, clock)?.check(depth, pace);
    outcome
        .damage
        .extend(report.damage.into_iter().filter(|found| !outcome.damage.contains(found)).collect::<Vec<_>>());
    outcome.verified = depth == Depth::Full;
    Ok(outcome)
}

fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() && !folder.is_dir() {
        return Err(refused(folder, "data_dir is not a folder"));
    }
    if !listed(folder)?.is_empty() {
        let advice = "a backup is restored into a folder that is empty or not there. Move it aside, or give another one \
                      with --data-dir";
        return Err(refused(folder, format!("data_dir is not empty, and {advice}")));
    }
    let device = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.dev());
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.exists() && device(folder) != device(above) {
        let advice = "data_dir is a file system of its own; give a folder in it with --data-dir";
        return Err(refused(folder, advice));
    }
    Ok(())
}

/// The folder in which it becomes whole.
fn beside(folder: &Path) -> anyhow::Result<PathBuf> {
    let folder = std::path::absolute(folder).map_err(failed("use", folder))?;
    let (Some(above), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Err(refused(&folder, "data_dir cannot be this folder"));
    };
    if !above.exists() {
        files::create_private_dir(above).map_err(failed("make", above))?;
    }
    let mut beside = name.to_owned();
    beside.push(".poplar-restore");
    Ok(above.join(beside))
}

struct Restoring<'a> {
    from: &'a Path,
    beside: PathBuf,
    progress: &'a Progress,
}

impl Drop for Restoring<'_> {
    fn drop(&mut self) {
        // It has its name by now, or never gets it.
        drop(remove(&self.beside));
    }
}

impl Restoring<'_> {
    async fn run(&self, clock: &Clock) -> anyhow::Result<Outcome> {
        remove(&self.beside)?;
        for folder in ["", "packs", "journal", "secrets"].map(|name| self.beside.join(name)) {
            files::create_private_dir(&folder).map_err(failed("make", &folder))?;
        }
        let catalog = Arc::new(self.catalog()?);
        let mut outcome = Outcome { messages: catalog.totals()?.0, ..Outcome::default() };
        self.packs(&catalog.packs()?, &mut outcome)?;
        self.journal(&catalog, &mut outcome)?;
        self.small("FORMAT")?;
        for path in listed(&self.from.join("secrets"))?.iter().filter(|path| path.is_file()) {
            self.small(Path::new("secrets").join(path.file_name().unwrap_or_default()))?;
        }
        self.index(catalog.clone(), clock).await?;
        outcome.indexed = catalog.indexed_count()?;
        Ok(outcome)
    }

    /// Goes by the catalog alone: whatever it does not name is not of the backup.
    fn catalog(&self) -> anyhow::Result<Catalog> {
        for name in ["catalog.db", "catalog.db-wal"] {
            self.copy(Path::new(name), u64::MAX)?;
        }
        let catalog = Catalog::open(&self.beside)?;
        let (marked, id) = (marks::archive(self.from)?, catalog.archive_value("id")?);
        anyhow::ensure!(
            marked == id,
            "{}: the catalog in this backup is of another archive than FORMAT says",
            self.from.display()
        );
        Ok(catalog)
    }

    fn packs(&self, rows: &[PackRow], outcome: &mut Outcome) -> anyhow::Result<()> {
        self.progress.want(rows.len() as u64);
        for row in rows {
            let (open, sealed) =
                (store::open_path(Path::new("packs"), row.number), store::sealed_path(Path::new("packs"), row.number));
            let copied = match row.sealed_bytes {
                Some(_) => self.copy(&sealed, u64::MAX)?,
                None => self.copy(&open, row.committed_bytes)?,
            };
            let problem = match copied {
                None => Some("is not in the backup".to_owned()),
                Some(copied) if copied.unreadable_bytes > 0 => {
                    Some(format!("{} octets could not be read; there are zeros now", copied.unreadable_bytes))
                }
                Some(_) => None,
            };
            outcome.damage.extend(problem.map(|problem| Damage { object: format!("pack {}", row.number), problem }));
            let bytes = copied.map_or(0, |copied| copied.bytes);
            outcome.packs += u64::from(copied.is_some());
            outcome.bytes += bytes;
            self.progress.did(bytes);
        }
        Ok(())
    }

    fn journal(&self, catalog: &Catalog, outcome: &mut Outcome) -> anyhow::Result<()> {
        let (from, to) = (self.from.join("journal"), self.beside.join("journal"));
        self.small("journal/key")?;
        let Some((size, note)) = catalog.checkpoint()? else { return Ok(()) };
        match LogReader::at(&from, &note).and_then(|log| log.copy_into(&to, 0)) {
            Ok(damage) => outcome.damage.extend(
                damage.into_iter().map(|(file, problem)| Damage { object: format!("journal/{file}"), problem }),
            ),
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => outcome.damage.push(Damage { object: "journal".to_owned(), problem: error.to_string() }),
        }
        let path = to.join("checkpoint");
        files::publish(&path, note.as_bytes()).map_err(failed("write", &path))?;
        (outcome.entries, outcome.checkpoint) = (size, Some(note));
        Ok(())
    }

    /// Without an owner's events: the journal is to stand where it stood.
    async fn index(&self, catalog: Arc<Catalog>, clock: &Clock) -> anyhow::Result<()> {
        catalog.index_lost(clock.now())?;
        self.progress.want(catalog.totals()?.0);
        let reader = Arc::new(store::Reader::new(&self.beside.join("packs")));
        let folder = self.beside.clone();
        let holds = Holds {
            folder,
            catalog: catalog.clone(),
            reader,
            clock: clock.clone(),
            wake: Wake::default(),
            rewriting: Arc::default(),
        };
        let mut stage = Indexing::new(holds, StageTrouble::default())?;
        let (_never, mut stop) = watch::channel(false);
        let mut told = 0;
        while stage.step(&mut stop).await? == Step::Worked {
            let indexed = catalog.indexed_count()?;
            (told..indexed).for_each(|_| self.progress.did(0));
            told = indexed;
        }
        Ok(())
    }

    fn small(&self, name: impl AsRef<Path>) -> anyhow::Result<()> {
        self.copy(name.as_ref(), u64::MAX).map(drop)
    }

    /// None where the backup has none.
    fn copy(&self, name: &Path, most_bytes: u64) -> anyhow::Result<Option<files::Copied>> {
        let (from, to) = (self.from.join(name), self.beside.join(name));
        if !from.exists() {
            return Ok(None);
        }
        files::copy(&from, &to, most_bytes).map(Some).map_err(failed("write", &to))
    }
}

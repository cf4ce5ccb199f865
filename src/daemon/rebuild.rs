//! Makes catalog and index anew: from packs and journal, while nobody owns the archive.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;

use super::backup::remove;
use super::fetch::Context;
use super::owner::{self, Options, Owner, Stages};
use crate::archive::Damage;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::files;
use crate::mail::Clock;
use crate::pipeline::{self, Progress};

/// What became of it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Outcome {
    pub packs: u64,
    /// Journal entries that became facts again.
    pub entries: u64,
    /// Of mail in packs that no checkpoint covered yet.
    pub adopted: u64,
    /// Messages in the catalog, and in the index.
    pub messages: u64,
    pub indexed: u64,
    /// What is missing or damaged.
    pub damage: Vec<Damage>,
    /// It was told to stop while indexing; the next process goes on with that.
    pub interrupted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    CatalogAndIndex,
    Index,
}

/// An index that cannot be written is waited for so long.
const INDEX_WAIT: Duration = Duration::from_secs(10);
/// How far it is with indexing is looked up no more often than the one, and no less often than the other.
const LOOK: Duration = Duration::from_millis(50);
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// Rebuilds. The old catalog is replaced once the new one is complete, and not before.
///
/// # Errors
///
/// [`owner::Error::Owned`] where a process owns the archive; and what makes a rebuild impossible, such as a journal that
/// is not what was signed. Nothing has changed then.
pub async fn rebuild(
    config: &Config,
    what: What,
    clock: Clock,
    progress: Arc<Progress>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Outcome> {
    let folder = config.data_dir.clone();
    let mut outcome = match what {
        What::CatalogAndIndex => {
            let progress = progress.clone();
            tokio::task::spawn_blocking(move || catalog(&folder, &progress)).await??
        }
        What::Index => {
            let _lock = owner::lock(&folder)?;
            remove_index(&folder)?;
            Outcome::default()
        }
    };
    let options = Options { stages: Stages::IndexOnly, allow_freshclam: false };
    let owner = tokio::task::block_in_place(|| Owner::take(config, &options, clock))?;
    let context = Context::of(&owner);
    progress.want(context.door.holds.catalog.totals()?.0);
    let indexed = context.indexed(&progress, stop).await;
    let catalog = context.door.holds.catalog.clone();
    drop(context);
    owner.close().await?;
    outcome.interrupted = !indexed?;
    (outcome.messages, outcome.indexed) = (catalog.totals()?.0, catalog.indexed_count()?);
    Ok(outcome)
}

fn catalog(folder: &Path, progress: &Progress) -> anyhow::Result<Outcome> {
    anyhow::ensure!(
        folder.join("packs").is_dir() && folder.join("journal").is_dir(),
        "{}: there are no packs with a journal to rebuild from",
        folder.display()
    );
    let _lock = owner::lock(folder)?;
    let beside = folder.join("rebuild");
    remove(&beside)?;
    files::create_private_dir(&beside)?;
    let pipeline::Rebuild { packs, entries, adopted, damage } = pipeline::rebuild(folder, &beside, progress)?;
    Catalog::replace(folder, &beside)?;
    remove_index(folder)?;
    remove(&beside)?;
    let damage = damage.into_iter().map(|(object, problem)| Damage { object, problem }).collect();
    Ok(Outcome { packs, entries, adopted, damage, ..Outcome::default() })
}

fn remove_index(folder: &Path) -> anyhow::Result<()> {
    remove(&folder.join("index"))
}

impl Context {
    /// Waits until everything is in the index; false if told to stop before.
    async fn indexed(&self, progress: &Progress, mut stop: watch::Receiver<bool>) -> anyhow::Result<bool> {
        let catalog = &self.door.holds.catalog;
        let mut told = 0;
        let mut trouble: Option<Instant> = None;
        loop {
            let begun = Instant::now();
            let indexed = catalog.indexed_count()?;
            (told..indexed).for_each(|_| progress.did(0));
            // A message that is to be indexed again counts less for a while.
            told = told.max(indexed);
            let due = self.due()?;
            let is_done = !due.index && !due.extract;
            if is_done || *stop.borrow() {
                return Ok(is_done);
            }
            let why = self.index_trouble.why();
            trouble = why.as_ref().map(|_| trouble.unwrap_or(begun));
            if let (Some(why), Some(since)) = (why, trouble)
                && since.elapsed() > INDEX_WAIT
            {
                anyhow::bail!("the index cannot be written: {why}");
            }
            // To count a million takes a while: a twentieth of the time at most.
            let pause = (20 * begun.elapsed()).clamp(LOOK, LONGEST_LOOK);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => {}
            }
        }
    }
}

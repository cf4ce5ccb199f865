//! Seals packs now, here or in the process that owns the archive.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::fetch::Context;
use super::owner::{Options, Owner};
use super::requests::{self, Ask};
use crate::catalog::PackRow;
use crate::config::Config;
use crate::mail::Clock;
use crate::pipeline::{Progress, SEAL_LEVEL};

/// What became of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Packs that were written.
    pub packs: u64,
    /// Messages in them.
    pub messages: u64,
    /// Of those, kept as literal octets and references to attachments that are stored once.
    pub recipes: u64,
    /// Octets of the messages and records in them, as they are read.
    pub raw_bytes: u64,
    /// Octets on the disk before, and after.
    pub before_bytes: u64,
    pub after_bytes: u64,
    pub failed: Vec<Failed>,
    /// It was told to stop before all was done.
    pub interrupted: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Failed {
    pub pack: u64,
    pub error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Of Zstandard; `None` for the usual one.
    pub level: Option<i32>,
    /// Also packs that are sealed already: compaction.
    pub rewrite: bool,
}

/// Seals in this process if nobody owns the archive; else its owner does it, and this waits for the answer.
pub async fn seal(
    config: &Config,
    job: Job,
    options: &Options,
    clock: Clock,
    progress: Arc<Progress>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Outcome> {
    let work = async |owner: &Owner| Context::of(owner).seal(job, &progress, stop.clone()).await;
    requests::own_or_ask(config, options, &clock, &Ask::Seal(job), &stop, work).await
}

impl Context {
    pub(super) async fn seal(
        &self,
        job: Job,
        progress: &Arc<Progress>,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Outcome> {
        let mut open: Vec<u64> =
            self.packs(|pack| pack.sealed_bytes.is_none())?.iter().map(|pack| pack.number).collect();
        // Sealed for the sake of a few records about the archive itself, there would be a pack for every sealing.
        if let Some(last) = open.last()
            && self.door.holds.catalog.in_pack(*last)?.is_empty()
        {
            open.pop();
        }
        if !open.is_empty() {
            self.door.keeper.close_pack().await?;
        }
        // Their extents once more: what was being kept is in them now.
        let mut packs =
            self.packs(|pack| (job.rewrite && pack.sealed_bytes.is_some()) || open.contains(&pack.number))?;
        // Those that are sealed last to first: messages refer to parts of packs that were sealed before.
        packs.sort_by_key(|pack| (pack.sealed_bytes.is_some(), pack.sealed_bytes.map(|_| Reverse(pack.number))));
        progress.want(packs.len() as u64);
        let stopped = Arc::new(AtomicBool::new(false));
        let (context, told, progress) = (self.clone(), stopped.clone(), progress.clone());
        let mut work = tokio::task::spawn_blocking(move || context.seal_each(&packs, job, &told, &progress));
        tokio::select! {
            outcome = &mut work => return Ok(outcome?),
            _ = stop.wait_for(|stop| *stop) => stopped.store(true, Ordering::Relaxed),
        }
        Ok(work.await?)
    }

    fn packs(&self, wanted: impl Fn(&PackRow) -> bool) -> anyhow::Result<Vec<PackRow>> {
        let mut packs = self.door.holds.catalog.packs()?;
        packs.retain(|pack| wanted(pack));
        Ok(packs)
    }

    fn seal_each(&self, packs: &[PackRow], job: Job, stopped: &AtomicBool, progress: &Progress) -> Outcome {
        let mut outcome = Outcome::default();
        let mut rewriter = self.door.holds.rewriter();
        for pack in packs {
            match rewriter.seal(pack, job.level.unwrap_or(SEAL_LEVEL), stopped) {
                Ok(sealed) => {
                    outcome.packs += 1;
                    outcome.messages += sealed.messages;
                    outcome.recipes += sealed.recipes;
                    outcome.raw_bytes += sealed.raw_bytes;
                    outcome.before_bytes += pack.stored_bytes();
                    outcome.after_bytes += sealed.bytes;
                    progress.did(sealed.raw_bytes);
                }
                Err(_) if stopped.load(Ordering::Relaxed) => {
                    outcome.interrupted = true;
                    break;
                }
                Err(error) => outcome.failed.push(Failed { pack: pack.number, error: error.to_string() }),
            }
        }
        outcome
    }
}

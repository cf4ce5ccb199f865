//! Imports mail files, here or in the process that owns the archive.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::fetch::{Context, Left};
use super::owner::Options;
use super::requests::{self, Ask, Turn};
use crate::config::Config;
use crate::mail::Clock;
use crate::pipeline::{Imported, Progress};

/// What became of an import.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Messages found.
    pub read: u64,
    /// New to the archive.
    pub kept: u64,
    /// In the archive already.
    pub duplicates: u64,
    /// Files that could not be read.
    pub failed: Vec<Failed>,
    /// It was told to stop before everything was read, scanned and indexed.
    pub interrupted: bool,
    #[serde(flatten)]
    pub left: Left,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Failed {
    pub path: String,
    pub error: String,
}

#[derive(Clone, Debug)]
pub struct Job {
    pub account: String,
    pub paths: Vec<PathBuf>,
    /// How long to wait for a scanner that stays away.
    pub wait: Duration,
}

/// Imports in this process if nobody owns the archive; else its owner reads the files, and this waits for the answer.
pub async fn import(
    config: &Config,
    job: Job,
    options: &Options,
    clock: Clock,
    progress: Arc<Progress>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Outcome> {
    let ask = Ask::Import { account: job.account.clone(), paths: job.paths.clone(), wait_ms: Ask::wait_ms(job.wait) };
    let owner = match requests::own_or_ask(config, options, &clock, &ask, &stop).await? {
        Turn::Answered(answer) => return Ok(serde_json::from_str(&answer)?),
        Turn::Owner(owner) => owner,
    };
    let serving = requests::Serving::start(&owner, Arc::new(config.clone()), stop.clone())?;
    let context = Context::of(&owner);
    let outcome = context.import(job, progress, stop).await;
    serving.finish().await;
    drop(context);
    owner.close().await?;
    outcome
}

impl Context {
    pub(super) async fn import(
        &self,
        job: Job,
        progress: Arc<Progress>,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Outcome> {
        let (keeper, holds) = (self.door.keeper.clone(), self.door.holds.clone());
        let Job { account, paths, wait } = job;
        let told = stop.clone();
        let reading = tokio::task::spawn_blocking(move || keeper.import(&holds, &account, &paths, &progress, &told));
        let Imported { read, kept, duplicates, failed, interrupted } = reading.await??;
        let left = self.settled(wait, stop.clone()).await?;
        let interrupted = interrupted || (*stop.borrow() && left.unscanned + left.unindexed > 0);
        let failed = failed
            .into_iter()
            .map(|failure| Failed { path: failure.path.display().to_string(), error: failure.error })
            .collect();
        Ok(Outcome { read, kept, duplicates, failed, interrupted, left })
    }
}

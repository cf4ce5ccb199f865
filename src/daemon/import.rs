//! Imports mail files, here or in the process that owns the archive.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use super::fetch::{Context, Left};
use super::owner::Options;
use super::requests::{self, Ask};
use crate::config::Config;
use crate::mail::Clock;
use crate::pipeline::{Imported, Progress, Shortage};

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
    /// Why not everything was read: the disk has no room. The same import, once there is, brings in the rest.
    pub paused: Option<String>,
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
    requests::own_or_ask(config, options, &clock, &ask, &stop, async |owner| {
        let serving = requests::Serving::start(owner, Arc::new(config.clone()), stop.clone())?;
        let outcome = Context::of(owner).import(job, progress, stop.clone()).await;
        serving.finish().await;
        outcome
    })
    .await
}

const REPORT: Duration = Duration::from_millis(20);

impl Context {
    pub(super) async fn import(
        &self,
        job: Job,
        progress: Arc<Progress>,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Outcome> {
        let (keeper, holds) = (self.door.keeper.clone(), self.door.holds.clone());
        let Job { account, paths, wait } = job;
        let (end, ended) = watch::channel(*stop.borrow());
        let reported = progress.clone();
        let read = move || keeper.import(&holds, &account, &paths, &progress, &ended);
        let (imported, shortage) = match self.door.room.shortage() {
            Some(shortage) => (Imported { interrupted: true, ..Imported::default() }, Some(shortage)),
            None => {
                let (ended, shortage) =
                    self.attended(tokio::task::spawn_blocking(read), &reported, end, stop.clone()).await;
                (ended??, shortage)
            }
        };
        let Imported { read, kept, duplicates, failed, interrupted } = imported;
        let paused = shortage.filter(|_| interrupted).map(|shortage| shortage.to_string());
        let left = self.settled(wait, stop.clone()).await?;
        let stopped = *stop.borrow() && left.unscanned + left.unindexed > 0;
        let interrupted = (interrupted && paused.is_none()) || stopped;
        let failed = failed
            .into_iter()
            .map(|failure| Failed { path: failure.path.display().to_string(), error: failure.error })
            .collect();
        Ok(Outcome { read, kept, duplicates, failed, interrupted, paused, left })
    }

    /// Waits for `reading` to end. Ends it when told to stop, and when there is no room: why not, is the second answer.
    async fn attended<T>(
        &self,
        mut reading: JoinHandle<T>,
        progress: &Progress,
        end: watch::Sender<bool>,
        mut stop: watch::Receiver<bool>,
    ) -> (Result<T, JoinError>, Option<Shortage>) {
        let mut room = self.door.room.clone();
        let shortage = tokio::select! {
            biased;
            shortage = room.short() => Some(shortage),
            Ok(_) = stop.wait_for(|stop| *stop) => None,
            ended = &mut reading => return (ended, None),
            () = self.report(progress) => None,
        };
        end.send_replace(true);
        (reading.await, shortage)
    }

    /// Has the disk looked at while an import goes on.
    async fn report(&self, progress: &Progress) {
        let mut reported = 0;
        loop {
            let (_, _, bytes) = progress.read();
            self.door.room.took(bytes - reported);
            reported = bytes;
            tokio::time::sleep(REPORT).await;
        }
    }
}

//! Polls accounts now, and waits until what was kept is scanned and indexed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::owner::{Options, Owner, Stages};
use super::polling::{Asked, Polled, Polls};
use super::requests;
use super::roster::Roster;
use crate::catalog::{Backlog, Due, Stage};
use crate::config::{Account, Config};
use crate::mail::Clock;
use crate::mail::event::SessionCounts;
use crate::pipeline::{self, Door, Fetched, Holds, Progress, Scanner, ScannerState, StageTrouble};

/// What became of a fetch: one line an account.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    pub accounts: Vec<AccountOutcome>,
    /// Paused, and therefore not polled.
    #[serde(default)]
    pub skipped: Vec<String>,
    #[serde(flatten)]
    pub left: Left,
}

/// What is not done yet when a command ends, and why.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Left {
    /// Messages that still wait for the scanner.
    pub unscanned: u64,
    /// Messages that still wait for the index.
    pub unindexed: u64,
    /// Why the scanner was not waited for any longer, or what it failed on.
    pub scanner: Option<String>,
    /// Why the index was not waited for any longer, or what it failed on.
    pub index: Option<String>,
}

/// `new` = `kept` + `duplicates` + `oversize` + `failed` + `deferred`; `listed` = `known` + `new`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct AccountOutcome {
    pub account: String,
    #[serde(flatten)]
    pub counts: SessionCounts,
    pub new: u64,
    /// Whether every listed message has a fate.
    pub adds_up: bool,
    /// From the first connection to the last receipt.
    pub seconds: f64,
    pub error: Option<String>,
    /// The error is a disk without room: mail was left at the server, and comes once there is room.
    pub paused: bool,
}

impl Outcome {
    /// Whether everything asked for was done.
    pub fn is_complete(&self) -> bool {
        self.accounts.iter().all(|account| account.error.is_none())
    }

    /// Whether all that was not done waits for nothing but room on the disk.
    pub fn is_paused(&self) -> bool {
        self.accounts.iter().all(|account| account.error.is_none() || account.paused)
    }
}

impl AccountOutcome {
    /// A session of which nothing is known but that it failed.
    fn failed(account: String, error: &dyn std::fmt::Display) -> Self {
        Self { account, adds_up: true, error: Some(error.to_string()), ..Self::default() }
    }
}

impl From<Fetched> for AccountOutcome {
    fn from(fetched: Fetched) -> Self {
        let counts = fetched.counts;
        Self {
            account: fetched.account,
            counts,
            new: counts.new_messages(),
            adds_up: fetched.error.is_some() || counts.add_up(),
            seconds: fetched.seconds,
            paused: matches!(fetched.error, Some(pipeline::Error::NoRoom(_))),
            error: fetched.error.map(|error| error.to_string()),
        }
    }
}

/// What a fetch is to do.
#[derive(Clone, Debug)]
pub struct Job {
    pub accounts: Vec<Account>,
    /// How long to wait for a scanner that stays away.
    pub wait: Duration,
}

/// Fetches in this process if nobody owns the archive; else its owner does it, and this waits for the answer.
pub async fn fetch(
    config: &Config,
    job: Job,
    options: &Options,
    clock: Clock,
    progress: Arc<Progress>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Outcome> {
    let names: Vec<String> = job.accounts.iter().map(|account| account.name.clone()).collect();
    let ask = requests::Ask::Fetch { accounts: names, wait_ms: requests::Ask::wait_ms(job.wait) };
    requests::own_or_ask(config, options, &clock, &ask, &stop, async |owner| {
        let serving = requests::Serving::start(owner, Arc::new(config.clone()), stop.clone())?;
        let outcome = Context::of(owner).fetch(&job, &progress, stop.clone()).await;
        serving.finish().await;
        outcome
    })
    .await
}

/// What a fetch needs of the owner.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) door: Door,
    pub(super) roster: Roster,
    pub(super) scanner: Scanner,
    pub(super) index_trouble: StageTrouble,
    pub(super) extract_trouble: StageTrouble,
    pub(super) stages: Stages,
}

impl Context {
    pub(super) fn of(owner: &Owner) -> Self {
        Self {
            door: owner.door.clone(),
            roster: owner.roster.clone(),
            scanner: owner.watched.scanner.clone(),
            index_trouble: owner.index_trouble.clone(),
            extract_trouble: owner.extract_trouble.clone(),
            stages: owner.watched.stages,
        }
    }

    pub(super) async fn fetch(
        &self,
        job: &Job,
        progress: &Arc<Progress>,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Outcome> {
        let (accounts, skipped) = self.sessions(&job.accounts, progress, &stop).await;
        let left = match self.stages {
            Stages::All => self.settled(job.wait, stop).await?,
            Stages::KeepOnly | Stages::IndexOnly => self.left(self.backlogs()?, None, None)?,
        };
        Ok(Outcome { accounts, skipped, left })
    }

    /// Polls all accounts, as many at a time as may be. Whatever becomes of one is its own affair; the outcomes are in the
    /// order of the accounts. Those that are paused are named beside.
    async fn sessions(
        &self,
        accounts: &[Account],
        progress: &Arc<Progress>,
        stop: &watch::Receiver<bool>,
    ) -> (Vec<AccountOutcome>, Vec<String>) {
        let mut sessions = JoinSet::new();
        let mut names = HashMap::new();
        let (mut outcomes, mut skipped) = (Vec::with_capacity(accounts.len()), Vec::new());
        for account in accounts.iter().cloned() {
            let name = account.name.clone();
            let polls = Polls { door: self.door.clone(), roster: self.roster.clone() };
            let (progress, stop) = (progress.clone(), stop.clone());
            let session = sessions.spawn(async move { polls.poll(&account, Asked::ByHand, &progress, stop).await });
            names.insert(session.id(), name);
        }
        while let Some(ended) = sessions.join_next_with_id().await {
            let session = ended.as_ref().map_or_else(JoinError::id, |(session, _)| *session);
            let name = names.remove(&session).unwrap_or_default();
            outcomes.push(match ended {
                Ok((_, Ok(Polled::Fetched(fetched)))) => (*fetched).into(),
                Ok((_, Ok(Polled::Paused))) => {
                    skipped.push(name);
                    continue;
                }
                Ok((_, Ok(Polled::Unwanted))) => AccountOutcome::failed(name, &"interrupted before its turn"),
                Ok((_, Err(error))) => AccountOutcome::failed(name, &error),
                Err(panic) => AccountOutcome::failed(name, &panic),
            });
        }
        outcomes.sort_by_key(|outcome| accounts.iter().position(|account| account.name == outcome.account));
        skipped.sort_unstable();
        (outcomes, skipped)
    }

    /// Waits until nothing is due any more, or until the scanner was away, and the index could not be written, for
    /// longer than `wait`. Says what waits all the same.
    pub(super) async fn settled(&self, wait: Duration, mut stop: watch::Receiver<bool>) -> anyhow::Result<Left> {
        let mut last_seen = Instant::now();
        let mut last_waiting = u64::MAX;
        loop {
            let due = self.due()?;
            let (scan_due, index_due) = (due.scan, due.index);
            if due == Due::default() || *stop.borrow() {
                return self.left(self.backlogs()?, None, None);
            }
            let state = self.scanner.state();
            let trouble = self.index_trouble.why().filter(|_| index_due);
            let indexing = index_due && trouble.is_none();
            let mut scanning = scan_due && matches!(state, ScannerState::Ready { .. });
            // To count all that waits takes the longer the more it is.
            if scan_due && !scanning {
                let (scan, _) = self.backlogs()?;
                scanning = scan.waiting < last_waiting;
                last_waiting = scan.waiting;
            }
            if scanning || indexing || due.extract {
                last_seen = Instant::now();
            }
            if !scanning && !indexing && !due.extract && last_seen.elapsed() > wait {
                return self.left(self.backlogs()?, scan_due.then(|| absence(state)), trouble);
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// What waits. Where no reason is given, it is what went wrong most often with those that wait.
    fn left(
        &self,
        (scan, indexing): (Backlog, Backlog),
        scanner: Option<String>,
        index: Option<String>,
    ) -> anyhow::Result<Left> {
        let failure = |stage: Stage| -> anyhow::Result<Option<String>> {
            Ok(self.door.holds.catalog.work_errors(stage)?.into_iter().next().map(|(why, _)| why))
        };
        Ok(Left {
            unscanned: scan.waiting,
            unindexed: indexing.waiting,
            scanner: scanner.map_or_else(|| failure(Stage::Scan), |why| Ok(Some(why)))?,
            index: index.map_or_else(|| failure(Stage::Index), |why| Ok(Some(why)))?,
        })
    }

    /// What is due. Where nobody can read attachments, nobody waits for it.
    pub(super) fn due(&self) -> anyhow::Result<Due> {
        let Holds { catalog, clock, .. } = &self.door.holds;
        let due = catalog.what_is_due(clock.now())?;
        Ok(Due { extract: due.extract && self.extract_trouble.why().is_none(), ..due })
    }

    fn backlogs(&self) -> anyhow::Result<(Backlog, Backlog)> {
        let Holds { catalog, clock, .. } = &self.door.holds;
        let now = clock.now();
        Ok((catalog.backlog(Stage::Scan, now)?, catalog.backlog(Stage::Index, now)?))
    }
}

fn absence(state: ScannerState) -> String {
    match state {
        ScannerState::Away { why } => why,
        _ => "the scanner is still starting".to_owned(),
    }
}

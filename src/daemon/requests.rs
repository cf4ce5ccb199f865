//! What commands ask of the process that owns the archive, through rows of the catalog; and its heartbeat.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::fetch::{self, Context};
use super::owner::{self, Options, Owner, Stages};
use super::watched::WatchedScanner;
use super::{account, import, purge, rescan, seal};
use crate::archive::OwnerTold;
use crate::catalog::{self, Asked, Catalog, Request};
use crate::config::{Account, Config};
use crate::mail::{Clock, Timestamp};
use crate::pipeline::{Progress, StageTrouble};
use crate::telemetry;

/// A request, as it stands in its row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Ask {
    Fetch { accounts: Vec<String>, wait_ms: u64 },
    Import { account: String, paths: Vec<PathBuf>, wait_ms: u64 },
    Seal(seal::Job),
    Again(rescan::Job),
    Purge(purge::Job),
    Account(account::Job),
}

impl Ask {
    pub(super) fn wait_ms(wait: Duration) -> u64 {
        u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Fetch { .. } => "fetch",
            Self::Import { .. } => "import",
            Self::Seal(_) => "seal",
            Self::Again(rescan::Job::Rescan { .. }) => "rescan",
            Self::Again(rescan::Job::Requeue { .. }) => "requeue",
            Self::Purge(_) => "purge",
            Self::Account(_) => "account",
        }
    }
}

/// An answer: what was asked for, or why not.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Done(String),
    Failed(String),
}

/// Whose turn it is to do what a command wants.
enum Turn {
    /// This process owns the archive now.
    Owner(Box<Owner>),
    /// The owner has done it.
    Answered(String),
}

const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// An owner that has said nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(15);
/// How often the work on a request is begun: an owner that ends may have ended because of it.
const TRIES: u32 = 2;

/// Takes the archive, does `work` and gives it up again; if another process has it, asks that one and waits for its
/// answer. Should it end without one, it is this process's turn after all. Given up when told to stop, or when the owner
/// gives no sign of life.
pub(super) async fn own_or_ask<T: DeserializeOwned>(
    config: &Config,
    options: &Options,
    clock: &Clock,
    ask: &Ask,
    stop: &watch::Receiver<bool>,
    work: impl AsyncFnOnce(&Owner) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let owner = match turn(config, options, clock, ask, stop).await? {
        Turn::Answered(answer) => return Ok(serde_json::from_str(&answer)?),
        Turn::Owner(owner) => owner,
    };
    let outcome = work(&owner).await;
    owner.close().await?;
    outcome
}

async fn turn(
    config: &Config,
    options: &Options,
    clock: &Clock,
    ask: &Ask,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<Turn> {
    let mut asking = Asking { beat: None, heard: Instant::now(), row: None };
    let outcome = asking.wait(config, options, clock, ask, stop).await;
    if let Some((catalog, number)) = &asking.row {
        // Answered, done here, or given up: nobody else shall do it again. Should that fail, it does no harm twice.
        drop(catalog.withdraw(*number));
    }
    outcome
}

/// A command beside an owner.
struct Asking {
    /// The owner's last sign of life, …
    beat: Option<Timestamp>,
    /// … and when it was seen first. The clock may be set meanwhile; this does not heed it.
    heard: Instant,
    /// The request.
    row: Option<(Catalog, i64)>,
}

impl Asking {
    async fn wait(
        &mut self,
        config: &Config,
        options: &Options,
        clock: &Clock,
        ask: &Ask,
        stop: &watch::Receiver<bool>,
    ) -> anyhow::Result<Turn> {
        loop {
            match take(config, options, clock).await {
                Ok(owner) => return Ok(Turn::Owner(Box::new(owner))),
                Err(owned @ owner::Error::Owned { .. }) if self.heard.elapsed() > SILENCE => return Err(owned.into()),
                Err(owner::Error::Owned { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            if self.row.is_none()
                && let Some(catalog) = Catalog::beside(&config.data_dir)?
            {
                let number = catalog.ask(ask.kind(), &serde_json::to_string(ask)?, clock.now())?;
                self.row = Some((catalog, number));
            }
            for _ in 0..10 {
                anyhow::ensure!(!*stop.borrow(), "interrupted");
                if let Some(answer) = self.answer()? {
                    return match serde_json::from_str(&answer)? {
                        Answer::Done(answer) => Ok(Turn::Answered(answer)),
                        Answer::Failed(why) => Err(anyhow::anyhow!(why)),
                    };
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    fn answer(&mut self) -> Result<Option<String>, catalog::Error> {
        let Some((catalog, number)) = &self.row else { return Ok(None) };
        let beat = catalog.owner()?.map(|owner| owner.beat);
        if beat != self.beat {
            (self.beat, self.heard) = (beat, Instant::now());
        }
        match catalog.answer(*number)? {
            Asked::Answered(answer) => return Ok(Some(answer)),
            Asked::Waiting => {}
            // Nobody took it for a day; it is asked again.
            Asked::Gone => self.row = None,
        }
        Ok(None)
    }
}

async fn take(config: &Config, options: &Options, clock: &Clock) -> Result<Owner, owner::Error> {
    tokio::task::block_in_place(|| Owner::take(config, options, clock.clone()))
}

/// The owner's ear and pulse. Dropped, it is silent at once, and what was being worked on is left where it is.
pub(super) struct Serving {
    task: JoinHandle<()>,
    end: watch::Sender<bool>,
    config: watch::Sender<Arc<Config>>,
}

const PULSE_MS: i64 = 2_000;

impl Serving {
    /// Looks for requests a few times a second, and says that the owner is alive, until [`Self::finish`].
    pub(super) fn start(
        owner: &Owner,
        config: Arc<Config>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, catalog::Error> {
        let (end, ended) = watch::channel(false);
        let (config, configured) = watch::channel(config);
        let server = Server { context: Context::of(owner), config: configured, stop };
        let pulse = Pulse::of(owner)?;
        let task = tokio::spawn(server.listen(pulse, ended));
        Ok(Self { task, end, config })
    }

    /// Requests from now on are for these accounts.
    pub(super) fn adopt(&self, config: Arc<Config>) {
        self.config.send_replace(config);
    }

    /// Does what was asked up to now, and stops listening.
    pub(super) async fn finish(mut self) {
        self.end.send_replace(true);
        // A panic has been printed.
        drop((&mut self.task).await);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the heartbeat tells, over a connection of its own: it must not wait for a batch that is being committed.
struct Pulse {
    catalog: Catalog,
    /// [`Catalog::data_version`] when requests were last looked for.
    seen: i64,
    started: Timestamp,
    last: Timestamp,
    /// What was told last.
    told: String,
    watched: WatchedScanner,
    troubles: [(&'static str, StageTrouble); 3],
}

impl Pulse {
    fn of(owner: &Owner) -> Result<Self, catalog::Error> {
        let watched = owner.watched.clone();
        let catalog = owner.holds.catalog.another()?;
        let never = Timestamp::from_millis(0);
        let (started, told) = (owner.holds.clock.now(), String::new());
        let troubles = [
            ("nothing is indexed", owner.index_trouble.clone()),
            ("no attachment is read", owner.extract_trouble.clone()),
            ("who reads attachments is not shut in as well as it could be", owner.confinement.clone()),
        ];
        Ok(Self { catalog, seen: -1, started, last: never, told, watched, troubles })
    }

    /// Says that the owner is alive, if that was not said a moment ago.
    fn beat(&mut self, now: Timestamp) -> Result<(), catalog::Error> {
        let troubles = self.troubles.iter().filter_map(|(what, trouble)| Some(format!("{what}: {}", trouble.why()?)));
        let told = OwnerTold { scanner: self.watched.status(now), troubles: troubles.collect() };
        let told = serde_json::to_string(&told).unwrap_or_default();
        // Also if the clock was set back.
        if (now.as_millis() - self.last.as_millis()).abs() < PULSE_MS && told == self.told {
            return Ok(());
        }
        (self.last, self.told) = (now, told.clone());
        self.catalog.beat(&catalog::Owner { pid: std::process::id(), started: self.started, beat: now, told })
    }
}

struct Server {
    context: Context,
    config: watch::Receiver<Arc<Config>>,
    stop: watch::Receiver<bool>,
}

impl Server {
    async fn listen(self, mut pulse: Pulse, mut ended: watch::Receiver<bool>) {
        let server = Arc::new(self);
        let mut running = JoinSet::new();
        let mut listens = true;
        while listens || !running.is_empty() {
            if let Err(error) = pulse.beat(server.context.door.holds.clock.now()) {
                telemetry::request_failed("beat", &error);
            }
            if listens {
                // Once more at the end, for what was asked up to then.
                listens = !*ended.borrow() && ended.has_changed().is_ok();
                if let Err(error) = server.look(&mut pulse, &mut running) {
                    telemetry::request_failed("look", &error);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                _ = ended.changed(), if listens => {}
                Some(_) = running.join_next() => {}
            }
        }
    }

    fn look(self: &Arc<Self>, pulse: &mut Pulse, running: &mut JoinSet<()>) -> Result<(), catalog::Error> {
        let now = self.context.door.holds.clock.now();
        if self.context.stages != Stages::All {
            // Who asks wants more; it is that command's turn when this one has ended.
            return Ok(());
        }
        let version = pulse.catalog.data_version()?;
        if version == pulse.seen || !pulse.catalog.has_requests()? {
            pulse.seen = version;
            return Ok(());
        }
        for request in pulse.catalog.take_requests(now)? {
            running.spawn(self.clone().answer(request));
        }
        Ok(())
    }

    async fn answer(self: Arc<Self>, request: Request) {
        let answer = match self.serve(&request).await {
            Ok(answer) => Answer::Done(answer),
            Err(error) => {
                telemetry::request_failed(&request.kind, &error);
                Answer::Failed(error.to_string())
            }
        };
        let holds = &self.context.door.holds;
        let answer = serde_json::to_string(&answer).unwrap_or_default();
        if let Err(error) = holds.catalog.answer_request(request.number, &answer, holds.clock.now()) {
            telemetry::request_failed(&request.kind, &error);
        }
    }

    /// The account that is called so today: the configuration may not say so yet.
    fn account(&self, config: &Config, name: &str) -> Option<Account> {
        let found = config.accounts.iter().find(|account| self.context.roster.name(&account.name) == name);
        Some(Account { name: name.to_owned(), ..found?.clone() })
    }

    async fn serve(&self, request: &Request) -> anyhow::Result<String> {
        anyhow::ensure!(request.tries <= TRIES, "the process that worked on it ended twice");
        let progress = Arc::new(Progress::default());
        match serde_json::from_str(&request.argument)? {
            Ask::Fetch { accounts, wait_ms } => {
                let config = self.config.borrow().clone();
                let known = |name: &String| self.account(&config, name);
                let found: Option<Vec<_>> = accounts.iter().map(known).collect();
                let accounts = found.ok_or_else(|| {
                    anyhow::anyhow!("the running poplar does not know all of these accounts; let it read its configuration again (SIGHUP)")
                })?;
                let job = fetch::Job { accounts, wait: Duration::from_millis(wait_ms) };
                let outcome = self.context.fetch(&job, &progress, self.stop.clone()).await?;
                Ok(serde_json::to_string(&outcome)?)
            }
            Ask::Seal(job) => {
                let outcome = self.context.seal(job, &progress, self.stop.clone()).await?;
                Ok(serde_json::to_string(&outcome)?)
            }
            Ask::Again(job) => {
                let outcome = self.context.again(&job, self.stop.clone()).await?;
                Ok(serde_json::to_string(&outcome)?)
            }
            Ask::Purge(job) => {
                let outcome = self.context.purge(job, &progress, self.stop.clone()).await?;
                Ok(serde_json::to_string(&outcome)?)
            }
            Ask::Account(job) => {
                let outcome = self.context.change_account(&job).await?;
                Ok(serde_json::to_string(&outcome)?)
            }
            Ask::Import { account, paths, wait_ms } => {
                let job = import::Job { account, paths, wait: Duration::from_millis(wait_ms) };
                let outcome = self.context.import(job, progress, self.stop.clone()).await?;
                Ok(serde_json::to_string(&outcome)?)
            }
        }
    }
}

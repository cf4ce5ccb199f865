//! The daemon, from start to shutdown. Read this second, after `lib.rs`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::owner::{Options, Owner};
use super::requests::Serving;
use crate::config::{Account, Config, LoadOptions, Loaded};
use crate::mail::{Clock, Nonce};
use crate::pipeline::{self, Door, Progress};
use crate::telemetry;

/// Sessions of the schedule at one time.
const SESSIONS: usize = 8;
/// How often the configuration file is looked at.
const LOOK_AT_FILE: Duration = Duration::from_secs(2);
/// What is given sessions and requests to end, and the stages behind them; a session still open then is dropped without
/// QUIT, which deletes nothing. A stop may come upon a change of the configuration: three of these fit into the promised
/// ten seconds.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// Polls the accounts until SIGTERM or SIGINT. SIGHUP, and a change of the file, read the configuration again.
pub async fn run(loaded: Loaded, load: LoadOptions, options: &Options, clock: Clock) -> anyhow::Result<()> {
    let mut end = Signals::catch()?;
    let mut config = Arc::new(loaded.config);
    let mut owner = tokio::task::block_in_place(|| Owner::take(&config, options, clock.clone()))?;
    owner.start_scrubbing(&config);
    let file = loaded.file;
    let (stop, stopped) = watch::channel(false);
    let serving = Serving::start(&owner, config.clone(), stopped)?;

    let polling = loop {
        let polling = Polling::start(&owner, &config);
        match end.wait(file.as_deref(), &load, &config).await {
            Next::Stop => break polling,
            Next::Config(changed) => config = Arc::new(*changed),
        }
        polling.stop().await;
        serving.adopt(config.clone());
    };
    stop.send_replace(true);
    let (_, finished) = tokio::join!(polling.stop(), tokio::time::timeout(SHUTDOWN, serving.finish()));
    if finished.is_err() {
        telemetry::requests_cut_short();
    }
    match tokio::time::timeout(SHUTDOWN, owner.close()).await {
        Ok(closed) => closed?,
        Err(_) => telemetry::shutdown_cut_short(),
    }
    Ok(())
}

/// The accounts' pollers under one configuration.
struct Polling {
    stop: watch::Sender<bool>,
    pollers: JoinSet<()>,
}

impl Polling {
    fn start(owner: &Owner, config: &Config) -> Self {
        let (stop, stopped) = watch::channel(false);
        let sessions = Arc::new(Semaphore::new(SESSIONS));
        let mut pollers = JoinSet::new();
        for account in &config.accounts {
            let poller = Poller {
                door: owner.door.clone(),
                account: account.clone(),
                sessions: sessions.clone(),
                stop: stopped.clone(),
                failures: 0,
            };
            pollers.spawn(poller.run());
        }
        Self { stop, pollers }
    }

    /// Ends the sessions politely, and those that hang at once.
    async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = async { while self.pollers.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN, ended).await.is_err() {
            telemetry::sessions_cut_short();
            self.pollers.shutdown().await;
        }
    }
}

/// One account's schedule.
struct Poller {
    door: Door,
    account: Account,
    sessions: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
    /// Polls that failed in a row.
    failures: u32,
}

impl Poller {
    async fn run(mut self) {
        while let Some(wait) = self.poll().await {
            let until = self.door.holds.clock.now().after(wait);
            if let Err(error) = self.door.next_poll(&self.account.name, until) {
                telemetry::stage_failed("schedule", &error);
            }
            telemetry::next_poll(&self.account.name, wait.as_secs());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = self.stop.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Polls once there is room for mail; how long to wait before the next time, if there is to be one.
    async fn poll(&mut self) -> Option<Duration> {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => return None,
            () = self.door.room.there() => {}
        }
        let _session = tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => return None,
            session = self.sessions.acquire() => session.ok()?,
        };
        let outcome = self.door.fetch(&self.account, &Progress::default(), self.stop.clone()).await;
        let transient = match outcome {
            Ok(fetched) => match fetched.error {
                None => {
                    self.failures = 0;
                    return Some(jittered(self.account.poll_every));
                }
                // No failure of the server's: it is asked again as soon as there is room.
                Some(pipeline::Error::NoRoom(_)) => return Some(Duration::ZERO),
                Some(error) => error.is_transient(),
            },
            Err(error) => {
                telemetry::stage_failed("fetch", &error);
                true
            }
        };
        self.failures += 1;
        Some(jittered(back_off(self.failures, transient).max(self.account.poll_every.min(LONGEST_RETRY))))
    }
}

const FIRST_RETRY: Duration = Duration::from_secs(60);
const LONGEST_RETRY: Duration = Duration::from_secs(6 * 3600);

/// A minute, doubling up to six hours; where a person has to change something, from a quarter of an hour to a day, so
/// that no server locks the account for knocking too often.
fn back_off(failures: u32, transient: bool) -> Duration {
    let doubled = 1 << failures.saturating_sub(1).min(12);
    if transient {
        (FIRST_RETRY * doubled).min(LONGEST_RETRY)
    } else {
        (Duration::from_secs(15 * 60) * doubled).min(Duration::from_secs(24 * 3600))
    }
}

/// A tenth more or less, so that accounts do not march together.
fn jittered(wait: Duration) -> Duration {
    let chance = f64::from(Nonce::random().as_bytes()[0]) / 255.0;
    wait.mul_f64(0.9 + 0.2 * chance)
}

/// What ends a configuration's reign.
enum Next {
    Stop,
    Config(Box<Config>),
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn wait(&mut self, file: Option<&Path>, load: &LoadOptions, current: &Config) -> Next {
        let mut seen = stamps(file);
        loop {
            let hangup = tokio::select! {
                _ = self.terminate.recv() => return Next::Stop,
                _ = self.interrupt.recv() => return Next::Stop,
                _ = self.hangup.recv() => true,
                () = tokio::time::sleep(LOOK_AT_FILE) => false,
            };
            let now = stamps(file);
            if !hangup && now == seen {
                continue;
            }
            seen = now;
            match Config::load(load) {
                Ok(loaded) if loaded.config == *current => {}
                Ok(loaded) => return Next::Config(Box::new(adopted(loaded.config, current))),
                Err(error) => telemetry::config_refused(&error),
            }
        }
    }
}

/// What can change while the daemon runs; the rest stays as it was until the next start.
fn adopted(new: Config, current: &Config) -> Config {
    if new.data_dir != current.data_dir || new.scan != current.scan || new.storage != current.storage {
        telemetry::config_needs_restart();
    }
    telemetry::config_reloaded(new.accounts.len());
    let (storage, scan) = (current.storage.clone(), current.scan.clone());
    Config { data_dir: current.data_dir.clone(), storage, scan, ..new }
}

/// Tells whether a file was written since.
fn stamps(file: Option<&Path>) -> HashMap<PathBuf, (u64, std::time::SystemTime)> {
    let stamp = |path: &Path| {
        let metadata = path.metadata().ok()?;
        Some((path.to_owned(), (metadata.len(), metadata.modified().ok()?)))
    };
    file.and_then(stamp).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_somewhere() {
        assert_eq!(back_off(1, true), Duration::from_secs(60));
        assert_eq!(back_off(3, true), Duration::from_secs(240));
        assert_eq!(back_off(99, true), LONGEST_RETRY);
        assert_eq!(back_off(1, false), Duration::from_secs(900));
        assert_eq!(back_off(99, false), Duration::from_secs(86_400));
    }
}

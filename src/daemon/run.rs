//! The daemon, from start to shutdown. Read this second, after `lib.rs`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::owner::{Options, Owner};
use super::polling::Polling;
use super::requests::Serving;
use crate::config::{Config, LoadOptions, Loaded};
use crate::mail::Clock;
use crate::telemetry;

/// How often the configuration file is looked at.
const LOOK_AT_FILE: Duration = Duration::from_secs(2);
/// What is given sessions and requests to end, and the stages behind them; a session still open then is dropped without
/// QUIT, which deletes nothing. A stop may come upon a change of the configuration: three of these fit into the promised
/// ten seconds.
pub(super) const SHUTDOWN: Duration = Duration::from_secs(3);

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
        let polling = Polling::start(&owner, &config)?;
        match end.wait(file.as_deref(), &load, &config).await {
            Next::Stop => break polling,
            Next::Config(changed) => config = Arc::new(*changed),
        }
        polling.stop(SHUTDOWN).await;
        serving.adopt(config.clone());
    };
    stop.send_replace(true);
    let (_, finished) = tokio::join!(polling.stop(SHUTDOWN), tokio::time::timeout(SHUTDOWN, serving.finish()));
    if finished.is_err() {
        telemetry::requests_cut_short();
    }
    match tokio::time::timeout(SHUTDOWN, owner.close()).await {
        Ok(closed) => closed?,
        Err(_) => telemetry::shutdown_cut_short(),
    }
    Ok(())
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

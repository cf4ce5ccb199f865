//! Takes an archive for this process: lock, holds, stages, scanner; in the order they need each other, and back.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::clamd::{self, Managed};
use super::marks;
use super::reserve::Reserve;
use super::roster::Roster;
use super::scrub::Scrub;
use super::watched::WatchedScanner;
use crate::catalog::{self, Catalog};
use crate::config::{Clamd, Config, Environment};
use crate::extract::{self, Extractor};
use crate::files::{self, Lock, LockError};
use crate::index;
use crate::journal::{self, Log, Signer};
use crate::mail::{AccountId, Clock, Event};
use crate::net::clamd::{Address, ParseAddressError, Pool};
use crate::pipeline::{
    self, AccessTokens, Door, Extracting, Holds, Indexing, Keeping, Purging, Scanner, Scanning, Sealing, Signing,
    StageTrouble, Turns, Wake,
};
use crate::{net, store, telemetry};

/// Octets of messages that may wait in memory to become durable.
const IN_FLIGHT_BYTES: usize = 32 << 20;

/// How proxies are named to programs that download.
const PROXIES: [&str; 7] =
    ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];

/// Which stages run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stages {
    All,
    /// Fetching and keeping only; the rest waits for the next process.
    KeepOnly,
    /// Indexing only: after a rebuild.
    IndexOnly,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub stages: Stages,
    /// Whether signatures may be downloaded where there are none.
    pub allow_freshclam: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process owns the archive.
    #[error("the archive in {} is in use by process {}", .folder.display(), .pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))]
    Owned { folder: PathBuf, pid: Option<u32> },
    #[error("{}: {problem}", .path.display())]
    Folder { path: PathBuf, problem: String },
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Index(#[from] index::Error),
    /// What is written and what was signed do not fit together: somebody has changed one of them.
    #[error(
        "ALARM: {0}. The archive can be read (search, show, status, verify), and nothing is written to it before this is \
         cleared up"
    )]
    Journal(pipeline::Error),
    #[error("scan.clamd: {0}")]
    Scanner(String),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// An archive that this process owns, with its stages at work.
pub struct Owner {
    pub holds: Holds,
    pub door: Door,
    pub watched: WatchedScanner,
    pub index_trouble: StageTrouble,
    pub extract_trouble: StageTrouble,
    /// How the worker that reads attachments is shut in worse than it could be.
    pub confinement: StageTrouble,
    pub(super) roster: Roster,
    keeping: Keeping,
    workers: JoinSet<()>,
    shutdown: watch::Sender<bool>,
}

impl Owner {
    /// Must be called within a runtime; blocks for as long as the holds take to open.
    pub fn take(config: &Config, options: &Options, clock: Clock) -> Result<Self, Error> {
        let folder = config.data_dir.clone();
        files::create_private_dir(&folder).map_err(|error| unusable(&folder, &error))?;
        let reserve = Reserve::of(config);
        reserve.make_way();
        let lock = lock(&folder)?;
        let (holds, ground) = open(&folder, clock)?;
        let (keeping, keeper) = Keeping::start(holds.clone(), ground, lock, IN_FLIGHT_BYTES).map_err(Error::Thread)?;
        let (shutdown, stopped) = watch::channel(false);
        let (room, watching) = reserve.watch(keeper.budget.clone(), stopped);
        let door =
            Door { holds: holds.clone(), keeper, turns: Turns::default(), room, tokens: AccessTokens::default() };
        let roster = Roster::new(config);
        roster.adopt(config, &holds.catalog)?;
        let mut owner = Self {
            holds,
            door,
            watched: WatchedScanner { scanner: Scanner::new(), stages: options.stages, managed: None },
            index_trouble: StageTrouble::default(),
            extract_trouble: StageTrouble::default(),
            confinement: StageTrouble::default(),
            roster,
            keeping,
            workers: JoinSet::new(),
            shutdown,
        };
        owner.workers.spawn(watching);
        owner.start_purging()?;
        if options.stages == Stages::All {
            owner.start_scanning(config, options)?;
            owner.start_sealing();
        }
        if options.stages != Stages::KeepOnly {
            owner.start_indexing()?;
            owner.start_extracting()?;
        }
        telemetry::archive_opened(&owner.holds.folder, owner.holds.catalog.totals()?.0);
        Ok(owner)
    }

    /// Ends in good order: the stages finish the step in hand, everything queued is kept, and that the archive was
    /// closed is on record.
    pub async fn close(self) -> Result<(), catalog::Error> {
        let Self { holds, door, watched, keeping, mut workers, shutdown, .. } = self;
        shutdown.send_replace(true);
        while workers.join_next().await.is_some() {}
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let told = holds.tell(vec![Event::Stopped { version }]).and_then(|()| holds.catalog.owner_left());
        drop(door);
        let finished = tokio::task::spawn_blocking(move || {
            keeping.finish();
            drop(watched);
        });
        drop(finished.await);
        telemetry::archive_closed();
        told
    }

    fn start_indexing(&mut self) -> Result<(), Error> {
        let stage = Indexing::new(self.holds.clone(), self.index_trouble.clone()).map_err(unopened)?;
        let hint = self.holds.wake.index.clone();
        self.workers.spawn(pipeline::run(stage, hint, self.holds.clock.clone(), self.shutdown.subscribe()));
        Ok(())
    }

    fn start_extracting(&mut self) -> Result<(), Error> {
        // The very program that runs: an update may have put another in its place.
        let extractor = Extractor::new(PathBuf::from("/proc/self/exe"), extract::Limits::default());
        let (trouble, confinement) = (self.extract_trouble.clone(), self.confinement.clone());
        let stage = Extracting::new(self.holds.clone(), self.door.room.clone(), extractor, trouble, confinement)
            .map_err(unopened)?;
        let hint = self.holds.wake.extract.clone();
        self.workers.spawn(pipeline::run(stage, hint, self.holds.clock.clone(), self.shutdown.subscribe()));
        Ok(())
    }

    /// Checks again and again what is kept.
    pub fn start_scrubbing(&mut self, config: &Config) {
        let stage = Scrub::new(self.holds.clone(), self.door.keeper.clone(), config.verify.clone());
        let hint = Arc::default();
        self.workers.spawn(pipeline::run(stage, hint, self.holds.clock.clone(), self.shutdown.subscribe()));
    }

    fn start_purging(&mut self) -> Result<(), Error> {
        let stage = Purging::new(self.holds.clone(), self.door.keeper.clone()).map_err(unopened)?;
        let hint = self.holds.wake.purge.clone();
        self.workers.spawn(pipeline::run(stage, hint, self.holds.clock.clone(), self.shutdown.subscribe()));
        Ok(())
    }

    fn start_sealing(&mut self) {
        let stage = Sealing::new(self.holds.clone());
        let hint = self.holds.wake.seal.clone();
        self.workers.spawn(pipeline::run(stage, hint, self.holds.clock.clone(), self.shutdown.subscribe()));
    }

    fn start_scanning(&mut self, config: &Config, options: &Options) -> Result<(), Error> {
        let addresses = match &config.scan.clamd {
            Clamd::Addresses(addresses) => {
                addresses.iter().map(|address| address.parse()).collect::<Result<_, ParseAddressError>>()
            }
            Clamd::Managed => Ok(vec![self.manage_clamd(config, options)?]),
        };
        let pool =
            Pool::new(addresses.map_err(|error| Error::Scanner(error.to_string()))?, net::clamd::Settings::default());
        let (engine, families) = (self.watched.clone(), config.scan.families.clone());
        let hint = self.holds.wake.scan.clone();
        let stage = Scanning::new(self.holds.clone(), self.watched.scanner.clone(), pool, families, engine);
        self.workers.spawn(pipeline::run(stage, hint, self.holds.clock.clone(), self.shutdown.subscribe()));
        Ok(())
    }

    fn manage_clamd(&mut self, config: &Config, options: &Options) -> Result<Address, Error> {
        let environment = Environment::process();
        let runtime_dir = environment.variable("XDG_RUNTIME_DIR").map(PathBuf::from);
        let proxies = PROXIES.iter().filter_map(|name| Some((*name, environment.variable(name)?.to_owned()))).collect();
        let freshclam = clamd::Freshclam { proxies, ..clamd::Freshclam::default() };
        let settings = clamd::Settings {
            data_dir: config.data_dir.clone(),
            database_dir: config.scan.database_dir.clone(),
            freshclam: options.allow_freshclam.then_some(freshclam),
            clamd_program: None,
            runtime_dir,
            stream_max_bytes: clamd::STREAM_MAX_BYTES,
        };
        let hint = self.holds.wake.scan.clone();
        let managed =
            Managed::start(settings, move || hint.notify_one()).map_err(|error| Error::Scanner(error.to_string()))?;
        let address = managed.address().clone();
        self.watched.managed = Some(Arc::new(managed));
        Ok(address)
    }
}

/// A command that is just ending gives the archive free in a moment.
const LOCK_WAIT: Duration = Duration::from_millis(100);

pub(super) fn lock(folder: &Path) -> Result<Lock, Error> {
    let path = folder.join("lock");
    let mut tries = 0;
    loop {
        match Lock::take(&path) {
            Ok(lock) => return Ok(lock),
            Err(LockError::Held(_)) if tries < 3 => std::thread::sleep(LOCK_WAIT),
            Err(LockError::Held(pid)) => return Err(Error::Owned { folder: folder.to_owned(), pid }),
            Err(LockError::Io(error)) => return Err(trouble(&path, &error)),
        }
        tries += 1;
    }
}

fn open(folder: &Path, clock: Clock) -> Result<(Holds, (store::Writer, Signing)), Error> {
    let marked = marks::archive(folder)?;
    let catalog = Arc::new(Catalog::open(folder)?);
    let reader = Arc::new(store::Reader::new(&folder.join("packs")));
    let holds =
        Holds { folder: folder.to_owned(), catalog, reader, clock, wake: Wake::default(), rewriting: Arc::default() };
    let archive = identity(&holds, marked)?;
    // Before anything is cut: what was signed says whether this catalog is the one to go by.
    let signing = signing(&holds, &archive).map_err(unopened)?;
    let writer = holds.open_packs(&archive).map_err(unopened)?;
    let spool = holds.spool();
    files::create_private_dir(&spool).map_err(|error| trouble(&spool, &error))?;
    store::sweep_spool(&spool)?;
    for stage in [catalog::Stage::Scan, catalog::Stage::Index] {
        holds.catalog.retry_stuck(stage, holds.clock.now())?;
    }
    holds.catalog.reopen_requests()?;
    holds.tell(vec![Event::Started { version: env!("CARGO_PKG_VERSION").to_owned() }])?;
    Ok((holds, (writer, signing)))
}

/// Only what was signed is a reason for an alarm.
fn unopened(error: pipeline::Error) -> Error {
    match error {
        pipeline::Error::Store(error) => Error::Store(error),
        pipeline::Error::Catalog(error) => Error::Catalog(error),
        pipeline::Error::Index(error) => Error::Index(error),
        error => Error::Journal(error),
    }
}

fn signing(holds: &Holds, archive: &AccountId) -> Result<Signing, pipeline::Error> {
    let (journal, secrets) = (holds.folder.join("journal"), holds.folder.join("secrets"));
    let signer = Signer::load_or_create(&secrets, &journal, &journal::origin(archive))?;
    Signing::new(Log::open(&journal, signer)?, &holds.catalog)
}

/// The archive's id, made with its first event; and the file that says what this folder is.
fn identity(holds: &Holds, marked: Option<String>) -> Result<AccountId, Error> {
    let id = match holds.catalog.archive_value("id")? {
        Some(id) => id,
        None => {
            let id = AccountId::random().to_string();
            let version = env!("CARGO_PKG_VERSION").to_owned();
            holds.tell(vec![Event::Created { archive: id.clone(), version }])?;
            id
        }
    };
    marks::mark_archive(&holds.folder, marked, &id)?;
    id.parse()
        .map_err(|_| Error::Folder { path: holds.folder.join("catalog.db"), problem: format!("bad archive id {id}") })
}

/// What the system says of a folder is not enough to act on; what we say of it is.
fn unusable(folder: &Path, error: &std::io::Error) -> Error {
    match error.raw_os_error() {
        None => trouble(folder, error),
        Some(_) => {
            let problem = format!("{error}; data_dir has to name a folder that poplar can create and write to");
            Error::Folder { path: folder.to_owned(), problem }
        }
    }
}

fn trouble(path: &Path, error: &std::io::Error) -> Error {
    Error::Folder { path: path.to_owned(), problem: error.to_string() }
}

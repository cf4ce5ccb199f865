//! A clamd of poplar's own: a private configuration, a socket nobody else reaches, and a thread that keeps it running.
//! Knows nothing about what is scanned.

mod database;
mod download;
mod home;
mod launcher;
mod output;
mod supervisor;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::net::clamd::Address;

use download::Download;
use home::Home;
use launcher::Launcher;
use supervisor::{Notice, Supervisor};

/// The longest stream clamd takes unless a setting says otherwise. Longer messages are not scanned whole.
pub const STREAM_MAX_BYTES: u64 = 256 << 20;

#[derive(Clone, Debug)]
pub struct Settings {
    /// The archive's folder; clamd gets `clamd/` in it.
    pub data_dir: PathBuf,
    /// Where the system keeps ClamAV's signatures; an absolute path, readable for the user `clamav` where poplar is root.
    pub database_dir: PathBuf,
    /// Signatures are downloaded where the system has none; not without this.
    pub freshclam: Option<Freshclam>,
    /// `None`: where distributions put it.
    pub clamd_program: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`, where there is one. Needed only when `data_dir` is too long a path for a socket.
    pub runtime_dir: Option<PathBuf>,
    pub stream_max_bytes: u64,
}

/// How signatures are downloaded.
#[derive(Clone, Debug)]
pub struct Freshclam {
    /// `None`: where distributions put it.
    pub program: Option<PathBuf>,
    /// How often it looks for newer ones.
    pub every: Duration,
    /// Names and values of environment variables that say how the outside is reached.
    pub proxies: Vec<(&'static str, OsString)>,
}

impl Default for Freshclam {
    /// As often as freshclam by itself.
    fn default() -> Self {
        Self { program: None, every: Duration::from_hours(2), proxies: Vec::new() }
    }
}

/// What the managed clamd is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Signatures are looked for or being loaded: with the official database this takes tens of seconds.
    Starting,
    /// It answers, and finds the EICAR test file.
    Ready,
    /// It ended or is of no use; it is started again soon.
    Restarting { why: String },
    /// There is none to start. Looked for again every minute.
    Absent { message: String },
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("clamd is starting: its signatures are fetched or loaded"),
            Self::Ready => f.write_str("clamd is ready"),
            Self::Restarting { why } => write!(f, "clamd is being restarted: {why}"),
            Self::Absent { message } => f.write_str(message),
        }
    }
}

/// Which signatures clamd runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signatures {
    /// The system's, in this folder.
    System(PathBuf),
    /// Downloaded by poplar into this folder.
    Downloaded(PathBuf),
    /// Only the EICAR test file is found, for this reason.
    BuiltIn { why: String },
}

impl fmt::Display for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(folder) => write!(f, "those in {}", folder.display()),
            Self::Downloaded(folder) => write!(f, "downloaded ones in {}", folder.display()),
            Self::BuiltIn { why } => write!(f, "built-in: only the EICAR test file is found, because {why}"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot prepare clamd's folder {}: {source}; check its owner and mode", .path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("{} cannot stand in clamd's configuration: use a folder without quotes and control characters", .0.display())]
    Name(PathBuf),
    #[error("cannot start the thread that looks after clamd: {0}")]
    Thread(io::Error),
    #[error("no scanner after {} s: {state}", .waited.as_secs())]
    NotReady { waited: Duration, state: State },
}

/// The running supervisor. clamd ends with it.
pub struct Managed {
    address: Address,
    shared: Arc<Shared>,
    notices: Sender<Notice>,
    thread: Option<JoinHandle<()>>,
}

impl Managed {
    /// Prepares the folder and returns; the rest happens on a thread of its own (`state`, `wait_ready`). Each time that
    /// clamd is ready, `told` is called there.
    pub fn start(settings: Settings, told: impl Fn() + Send + 'static) -> Result<Self, Error> {
        let launcher = Launcher::detect();
        let home = Home::prepare(&settings, launcher.user())?;
        let address = Address::Unix(home.socket());
        let shared = Arc::new(Shared::default());
        let (notices, inbox) = mpsc::channel();
        let supervisor = Supervisor {
            download: Download::new(settings.freshclam.clone()),
            told: Box::new(told),
            settings,
            launcher,
            home,
            address: address.clone(),
            shared: Arc::clone(&shared),
            notices: notices.clone(),
            inbox,
        };
        let thread = std::thread::Builder::new()
            .name("clamd".to_owned())
            .spawn(move || supervisor.run())
            .map_err(Error::Thread)?;
        Ok(Self { address, shared, notices, thread: Some(thread) })
    }

    /// Where it listens, once it is ready; the same after every restart.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    pub fn state(&self) -> State {
        self.shared.lock().state.clone()
    }

    /// `None` until they were chosen.
    pub fn signatures(&self) -> Option<Signatures> {
        self.shared.lock().signatures.clone()
    }

    /// What tells the signatures and settings of the clamd that is ready from any others.
    pub fn signature_set(&self) -> Option<String> {
        let status = self.shared.lock();
        status.signature_set.clone().filter(|_| status.state == State::Ready)
    }

    /// How much memory clamd takes.
    pub fn memory_bytes(&self) -> Option<u64> {
        let pid = self.shared.lock().pid?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
        Some(kib.parse::<u64>().ok()? * 1024)
    }

    /// Blocks until clamd is ready. Fails at once where there is no clamd to wait for.
    pub fn wait_ready(&self, limit: Duration) -> Result<(), Error> {
        let begun = Instant::now();
        let mut status = self.shared.lock();
        loop {
            let waited = begun.elapsed();
            match &status.state {
                State::Ready => return Ok(()),
                state @ State::Absent { .. } => return Err(Error::NotReady { waited, state: state.clone() }),
                state if waited >= limit => return Err(Error::NotReady { waited, state: state.clone() }),
                _ => status = self.shared.wait(status, limit.saturating_sub(waited)),
            }
        }
    }

    /// Ends clamd: politely, after five seconds by force.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        // A supervisor that has gone already needs no notice, and its panic was reported when it happened.
        let _gone = self.notices.send(Notice::Stop);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// What the supervisor tells the other threads.
#[derive(Default)]
struct Shared {
    status: Mutex<Status>,
    changed: Condvar,
}

struct Status {
    state: State,
    signatures: Option<Signatures>,
    signature_set: Option<String>,
    /// Of the clamd that is ready.
    pid: Option<u32>,
}

impl Default for Status {
    fn default() -> Self {
        Self { state: State::Starting, signatures: None, signature_set: None, pid: None }
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Each change is one assignment, so a panic elsewhere leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, status: MutexGuard<'a, Status>, limit: Duration) -> MutexGuard<'a, Status> {
        self.changed.wait_timeout(status, limit).unwrap_or_else(PoisonError::into_inner).0
    }
}

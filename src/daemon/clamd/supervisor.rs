//! The thread that owns clamd: starts it, sees that it is of use, starts it again when it ends.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use rustix::process::{Pid, Signal};

use crate::net::clamd::{self, Address, Deadlines};

use super::database::Stamps;
use super::download::Download;
use super::home::{CONFIG_FILE, Home};
use super::launcher::{self, Launcher};
use super::output::Output;
use super::{Settings, Shared, Signatures, State, database};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Between two looks for a socket while the signatures are being loaded.
const LOOK: Duration = Duration::from_millis(25);

/// The official database takes 20 s on two cores; more than this is no loading.
const START_LIMIT: Duration = Duration::from_secs(600);

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

const PROBE: Deadlines =
    Deadlines { connect: Duration::from_secs(1), stall: Duration::from_secs(5), reply: Duration::from_secs(3) };

const INSTALL: &str = "nothing is scanned: install it with `apt-get install clamav-daemon`, or set scan.clamd to the socket \
                       of one that runs elsewhere";

/// How often the signatures are looked at, whether anything was heard of them or not, …
const LOOK_AT_SIGNATURES: Duration = Duration::from_secs(60);
/// … and how long nothing may have been heard before they count as whole: they come in several files.
const QUIET: Duration = Duration::from_secs(2);

/// What the supervisor is woken by.
pub(super) enum Notice {
    Stop,
    /// Something happened in the folder of the signatures.
    Signatures,
    /// The clamd with this process id has closed its output, which it does when it ends.
    Ended {
        pid: u32,
        complaint: String,
    },
}

/// Why a clamd is no longer looked after.
enum End {
    Stopped,
    Absent(String),
    /// There are other signatures than those it has.
    Outdated,
    /// By itself, after these complaints.
    Ended(String),
    Failed(String),
}

/// What did not end a wait's clamd.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Signatures,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Failed(format!("clamd could not be started: {error}"))
    }
}

pub(super) struct Supervisor {
    pub(super) settings: Settings,
    pub(super) launcher: Launcher,
    pub(super) home: Home,
    pub(super) address: Address,
    pub(super) shared: Arc<Shared>,
    pub(super) notices: Sender<Notice>,
    pub(super) inbox: Receiver<Notice>,
    pub(super) download: Download,
    /// Called whenever clamd is ready.
    pub(super) told: Box<dyn Fn() + Send>,
}

/// What a clamd was started with.
struct Loaded {
    folder: PathBuf,
    config: String,
    stamps: Stamps,
    set: String,
}

impl Loaded {
    fn new(folder: PathBuf, config: String) -> io::Result<Self> {
        let stamps = database::stamps(&folder);
        let set = database::signature_set(&folder, &config)?;
        Ok(Self { folder, config, stamps, set })
    }

    /// Whether the files are still the same; those with another stamp are read.
    fn is_current(&mut self) -> io::Result<bool> {
        let stamps = database::stamps(&self.folder);
        if stamps == self.stamps {
            return Ok(true);
        }
        let set = database::signature_set(&self.folder, &self.config)?;
        self.stamps = stamps;
        Ok(set == self.set)
    }
}

impl Supervisor {
    pub(super) fn run(mut self) {
        let mut wait = FIRST_WAIT;
        let _watcher = self.watch_signatures();
        loop {
            let begun = Instant::now();
            let (state, pause) = match self.one_life() {
                End::Stopped => return,
                End::Outdated => {
                    tracing::info!("clamd is started anew, with other signatures");
                    self.shared.change(|status| (status.state, status.pid) = (State::Starting, None));
                    continue;
                }
                End::Absent(message) => (State::Absent { message }, LONGEST_WAIT),
                End::Ended(why) | End::Failed(why) => {
                    let pause = if begun.elapsed() > LONGEST_WAIT { FIRST_WAIT } else { wait };
                    wait = (pause * 2).min(LONGEST_WAIT);
                    (State::Restarting { why }, pause)
                }
            };
            tracing::warn!(retry_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX), "{state}");
            self.shared.change(|status| (status.state, status.pid) = (state, None));
            if self.listen(pause, None).is_err() {
                return;
            }
        }
    }

    /// From looking for the program to the end of the process.
    fn one_life(&mut self) -> End {
        let (mut child, output, loaded) = match self.launch() {
            Ok(launched) => launched,
            Err(end) => return end,
        };
        let end = match self.look_after(child.id(), output, loaded) {
            Ok(never) => match never {},
            Err(end) => end,
        };
        let status =
            if matches!(end, End::Stopped | End::Outdated) { terminate(&mut child) } else { finish(&mut child) };
        let end = match (end, &status) {
            (End::Ended(complaint), Ok(status)) => End::Ended(self.explain(&status.to_string(), &complaint)),
            (end, _) => end,
        };
        if let Err(error) = status.and_then(|_| self.home.remove_pid()) {
            tracing::warn!("clamd left something behind: {error}");
        }
        end
    }

    fn launch(&mut self) -> Result<(Child, Output, Loaded), End> {
        let program = self.program()?;
        self.shared.change(|status| {
            if matches!(status.state, State::Absent { .. }) {
                status.state = State::Starting;
            }
        });
        let signatures = self.choose_signatures()?;
        let folder = database::folder(&signatures);
        let config = self.home.write_config(&folder, self.settings.stream_max_bytes)?;
        let loaded = Loaded::new(self.home.path().join(folder), config)?;
        self.home.renew_run()?;
        self.shared.change(|status| {
            status.signatures = Some(signatures);
            status.signature_set = Some(loaded.set.clone());
        });
        let (pipe, writer) = io::pipe()?;
        let output = Output::new(pipe, &self.home.path().join("clamd.log"))?;
        let mut command = self.launcher.command(&program);
        command.arg(format!("--config-file={CONFIG_FILE}")).current_dir(self.home.path());
        // The command ends here: as long as it holds the pipe, the end of clamd's output would not be seen.
        Ok((command.stdout(writer.try_clone()?).stderr(writer).spawn()?, output, loaded))
    }

    /// Returns when clamd has ended, is of no use, or shall end.
    fn look_after(&mut self, pid: u32, output: Output, mut loaded: Loaded) -> Result<Infallible, End> {
        self.home.write_pid(pid)?;
        self.follow(pid, output)?;
        let version = self.await_ready(pid)?;
        tracing::info!(engine = version.engine, signatures = version.signatures, "clamd is ready");
        // They may have changed while they were being loaded.
        if !loaded.is_current()? {
            return Err(End::Outdated);
        }
        self.shared.change(|status| (status.state, status.pid) = (State::Ready, Some(pid)));
        (self.told)();
        loop {
            let wait = self.renew_signatures()?;
            while self.listen(wait, Some(pid))? == Heard::Signatures {
                // Until the last of several files is there.
                while self.listen(QUIET, Some(pid))? == Heard::Signatures {}
                self.look_at_signatures(&mut loaded)?;
            }
            self.look_at_signatures(&mut loaded)?;
        }
    }

    /// Where the system keeps none. Those that have come are noticed like any others. When to look again.
    fn renew_signatures(&mut self) -> io::Result<Duration> {
        self.download.look(&self.home)?;
        if matches!(database::present(&self.settings, &self.home), Some(Signatures::System(_))) {
            return Ok(LOOK_AT_SIGNATURES);
        }
        self.download.begin(&self.home);
        Ok(self.download.wait().min(LOOK_AT_SIGNATURES))
    }

    fn look_at_signatures(&self, loaded: &mut Loaded) -> Result<(), End> {
        // They come in several files.
        if self.download.is_running() {
            return Ok(());
        }
        let chosen = database::present(&self.settings, &self.home).map(|signatures| database::folder(&signatures));
        let moved = chosen.is_some_and(|folder| self.home.path().join(folder) != loaded.folder);
        // What cannot be read now is looked at again; the one that runs has what it needs.
        if moved || !loaded.is_current().unwrap_or(true) { Err(End::Outdated) } else { Ok(()) }
    }

    /// Hears at once of new signatures where the system tells; without that they are looked at once a minute.
    fn watch_signatures(&self) -> Option<RecommendedWatcher> {
        let notices = self.notices.clone();
        let told = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // Nobody listens when the supervisor has gone.
                let _gone = notices.send(Notice::Signatures);
            }
        };
        let mut watcher = notify::recommended_watcher(told).ok()?;
        watcher.watch(&self.settings.database_dir, RecursiveMode::NonRecursive).ok()?;
        Some(watcher)
    }

    fn follow(&self, pid: u32, output: Output) -> io::Result<()> {
        let notices = self.notices.clone();
        let follow = move || {
            let complaint = output.follow();
            // Nobody waits for it any more when the supervisor has gone.
            let _gone = notices.send(Notice::Ended { pid, complaint });
        };
        std::thread::Builder::new().name("clamd-output".to_owned()).spawn(follow).map(drop)
    }

    /// clamd makes its socket when the signatures are loaded; it is ready when it finds the EICAR test file.
    fn await_ready(&self, pid: u32) -> Result<clamd::Version, End> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let begun = Instant::now();
        while begun.elapsed() < START_LIMIT {
            self.listen(LOOK, Some(pid))?;
            if !self.home.socket().exists() {
                continue;
            }
            match runtime.block_on(clamd::probe(&self.address, &PROBE)) {
                Ok(version) => return Ok(version),
                Err(error) if error.is_transient() => {}
                Err(error) => return Err(End::Failed(error.to_string())),
            }
        }
        Err(End::Failed(format!("it did not answer within {} s", START_LIMIT.as_secs())))
    }

    /// Waits for what happens next.
    fn listen(&self, wait: Duration, pid: Option<u32>) -> Result<Heard, End> {
        let deadline = Instant::now().checked_add(wait);
        loop {
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            match self.inbox.recv_timeout(left) {
                Err(RecvTimeoutError::Timeout) => return Ok(Heard::Nothing),
                Ok(Notice::Signatures) => return Ok(Heard::Signatures),
                Ok(Notice::Stop) | Err(RecvTimeoutError::Disconnected) => return Err(End::Stopped),
                Ok(Notice::Ended { pid: ended, complaint }) if Some(ended) == pid => return Err(End::Ended(complaint)),
                // The rest of an earlier clamd's output, which has been dealt with.
                Ok(Notice::Ended { .. }) => {}
            }
        }
    }

    fn explain(&self, status: &str, complaint: &str) -> String {
        let profiles = fs::read_to_string("/sys/kernel/security/apparmor/profiles").unwrap_or_default();
        let said = if complaint.is_empty() { String::new() } else { format!(": {complaint}") };
        let log = self.home.path().join("clamd.log");
        let advice = apparmor_advice(&profiles).unwrap_or_default();
        format!("clamd ended ({status}){said}; see {}{advice}", log.display())
    }

    fn program(&self) -> Result<PathBuf, End> {
        match &self.settings.clamd_program {
            Some(program) if program.is_file() => Ok(program.clone()),
            Some(program) => Err(End::Absent(format!("there is no clamd at {}, so {INSTALL}", program.display()))),
            None => launcher::find("clamd").ok_or_else(|| End::Absent(format!("clamd is not installed, so {INSTALL}"))),
        }
    }

    fn choose_signatures(&mut self) -> Result<Signatures, End> {
        if let Some(signatures) = database::present(&self.settings, &self.home) {
            return Ok(signatures);
        }
        self.download.begin(&self.home);
        while self.download.is_running() {
            self.listen(LOOK, None)?;
            self.download.look(&self.home)?;
        }
        if let Some(signatures) = database::present(&self.settings, &self.home) {
            return Ok(signatures);
        }
        database::write_built_in(&self.home)?;
        let none = format!("there are no signatures in {}", self.settings.database_dir.display());
        let why = self.download.failed().map_or(none.clone(), |failed| format!("{none}, and {failed}"));
        let signatures = Signatures::BuiltIn { why };
        tracing::warn!("clamd's signatures are {signatures}");
        Ok(signatures)
    }
}

fn terminate(child: &mut Child) -> io::Result<ExitStatus> {
    rustix::process::kill_process(Pid::from_child(child), Signal::TERM)?;
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(LOOK);
    }
    finish(child)
}

/// Ends it by force, if it has not ended already.
fn finish(child: &mut Child) -> io::Result<ExitStatus> {
    child.kill()?;
    child.wait()
}

/// What to do where the distribution's profile forbids clamd every configuration but the system's.
fn apparmor_advice(profiles: &str) -> Option<&'static str> {
    let enforced = profiles.lines().any(|line| line.contains("clamd") && line.ends_with("(enforce)"));
    enforced.then_some(
        ". AppArmor's profile for clamd is enforced and may forbid poplar's own configuration: either allow it with \
         `aa-complain clamd`, or use the system's clamd with scan.clamd = \"unix:/run/clamav/clamd.ctl\"",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_enforced_profile_of_clamds_is_worth_advice() {
        assert!(apparmor_advice("/usr/bin/freshclam (enforce)\n/usr/sbin/clamd (enforce)\n").is_some());
        assert!(apparmor_advice("/usr/bin/freshclam (enforce)\n/usr/sbin/clamd (complain)\n").is_none());
        assert!(apparmor_advice("").is_none());
    }
}

//! freshclam, beside clamd: fetches signatures where the system keeps none, and renews those that it has fetched.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::home::Home;
use super::{Freshclam, database, launcher};

/// The first download is some 250 MB; where this is too little, nothing more is expected of it.
const LIMIT: Duration = Duration::from_mins(30);
/// After a download that failed.
const RETRY: Duration = Duration::from_mins(15);

/// Between two looks whether one has ended.
const LOOK: Duration = Duration::from_millis(500);

const CONFIG_FILE: &str = "freshclam.conf";
const LOG_FILE: &str = "freshclam.log";

pub(super) struct Download {
    settings: Option<Freshclam>,
    running: Option<(Child, Instant)>,
    /// Not before this; at once where it is none.
    next: Option<Instant>,
    failed: Option<String>,
}

impl Download {
    /// Without settings it is never begun.
    pub(super) const fn new(settings: Option<Freshclam>) -> Self {
        Self { settings, running: None, next: None, failed: None }
    }

    /// Why there are no signatures after all that was tried.
    pub(super) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    pub(super) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Until something is to be done about it.
    pub(super) fn wait(&self) -> Duration {
        match (&self.running, self.next) {
            (Some(_), _) => LOOK,
            (None, Some(next)) => next.saturating_duration_since(Instant::now()),
            (None, None) => Duration::MAX,
        }
    }

    /// Begins one where it is time for one.
    pub(super) fn begin(&mut self, home: &Home) {
        let Some(settings) = self.settings.as_ref().filter(|_| self.running.is_none()) else { return };
        let now = Instant::now();
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        self.next = now.checked_add(RETRY.min(settings.every));
        let Some(program) = settings.program.clone().or_else(|| launcher::find("freshclam")) else {
            self.failed = Some("freshclam is not installed (`apt-get install clamav-freshclam`)".to_owned());
            return;
        };
        match command(program, settings, home).and_then(|mut command| command.spawn()) {
            Ok(child) => self.running = Some((child, now)),
            Err(error) => self.failed = Some(format!("freshclam could not be started: {error}")),
        }
    }

    /// Looks whether it has ended.
    pub(super) fn look(&mut self, home: &Home) -> io::Result<()> {
        let Some((child, begun)) = &mut self.running else { return Ok(()) };
        let ended = match child.try_wait()? {
            None if begun.elapsed() < LIMIT => return Ok(()),
            ended => ended,
        };
        self.end();
        let log = home.path().join(LOG_FILE);
        self.failed = match ended {
            Some(status) if status.success() => None,
            Some(status) => Some(format!("freshclam could not download them ({status}); see {}", log.display())),
            None => Some(format!("freshclam took longer than {} minutes", LIMIT.as_secs() / 60)),
        };
        match (&self.failed, &self.settings) {
            (None, Some(settings)) => self.next = Instant::now().checked_add(settings.every),
            (Some(why), _) => tracing::warn!("clamd's signatures were not renewed: {why}"),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self) {
        let Some((mut child, _)) = self.running.take() else { return };
        // It may have ended by itself.
        let _gone = child.kill();
        let _gone = child.wait();
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.end();
    }
}

/// freshclam, ready to download into the home. It stays poplar's user: what it takes from the network is signed, and
/// clamd, which it is for, must not be able to change its own signatures.
fn command(program: PathBuf, settings: &Freshclam, home: &Home) -> io::Result<Command> {
    let folder = home.make_folder(database::DOWNLOADED, None)?;
    home.write(CONFIG_FILE, b"DatabaseMirror database.clamav.net\nConnectTimeout 10\nMaxAttempts 1\n")?;
    home.write(LOG_FILE, b"")?;
    let log = File::options().append(true).open(home.path().join(LOG_FILE))?;
    let mut command = Command::new(program);
    command.arg("--foreground");
    if home.user().is_some() {
        command.arg("--user=root");
    }
    command.arg("--config-file").arg(home.path().join(CONFIG_FILE)).arg("--datadir").arg(folder);
    // There may be passwords in poplar's own.
    command.env_clear().envs(settings.proxies.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

//! clamd's folder, `<data_dir>/clamd/`:
//!
//! | name | what |
//! |---|---|
//! | `clamd.conf` | written anew at every start |
//! | `run/` | the socket, and clamd's temporary files; all that clamd may write to |
//! | `builtin/`, `db/` | signatures: the built-in one, downloaded ones |
//! | `clamd.log`, `clamd.pid` | what it said, and who it is |
//! | `shortcut` | link to the folder through which a socket with too long a path is reached |
//!
//! clamd runs *in* this folder and names everything relative to it. So it needs no way through the folders above, which
//! are closed to the user it runs as, and no path is too long for it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use rustix::process::{Pid, Signal};

use super::launcher::User;
use super::{Error, Settings};

/// Longer socket paths are reached through a shortcut; the system's limit is 108 bytes.
const SOCKET_PATH_BYTES: usize = 100;

pub(super) const CONFIG_FILE: &str = "clamd.conf";

pub(super) struct Home {
    path: PathBuf,
    /// A short private folder with a link to `run/`.
    shortcut: Option<PathBuf>,
    /// Who clamd runs as, where that is not who poplar runs as.
    user: Option<User>,
}

impl Home {
    /// Makes the folder, ends a clamd that an earlier poplar left running in it, and clears what it left.
    pub(super) fn prepare(settings: &Settings, user: Option<User>) -> Result<Self, Error> {
        let path = settings.data_dir.join("clamd");
        let fault = |source| Error::Folder { path: path.clone(), source };
        if !is_plain(&settings.database_dir) {
            return Err(Error::Name(settings.database_dir.clone()));
        }
        let mut home = Self { path: path.clone(), shortcut: None, user };
        home.make_folder("", None).map_err(fault)?;
        home.path = path.canonicalize().map_err(fault)?;
        home.end_stray().map_err(fault)?;
        home.remove_shortcut();
        if home.path.join("run/clamd.sock").as_os_str().len() > SOCKET_PATH_BYTES {
            home.shortcut = Some(home.make_shortcut(settings.runtime_dir.as_deref()).map_err(fault)?);
        }
        Ok(home)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn user(&self) -> Option<User> {
        self.user
    }

    /// The path by which poplar reaches the socket.
    pub(super) fn socket(&self) -> PathBuf {
        match &self.shortcut {
            Some(folder) => folder.join("run/clamd.sock"),
            None => self.path.join("run/clamd.sock"),
        }
    }

    /// An empty `run/`: no dead socket, and no pieces of mail that a killed clamd was taking apart.
    pub(super) fn renew_run(&self) -> io::Result<()> {
        gone(fs::remove_dir_all(self.path.join("run")))?;
        self.make_folder("run", self.user).map(drop)
    }

    /// A folder that clamd can read, and if it is the owner write to. `name` is relative to the home.
    pub(super) fn make_folder(&self, name: &str, owner: Option<User>) -> io::Result<PathBuf> {
        let path = if name.is_empty() { self.path.clone() } else { self.path.join(name) };
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        let mode = if self.user.is_some() && owner.is_none() { 0o750 } else { 0o700 };
        self.hand_over(&path, owner, mode)?;
        Ok(path)
    }

    /// Writes a file that clamd can read. `name` is relative to the home.
    pub(super) fn write(&self, name: &str, octets: &[u8]) -> io::Result<()> {
        let path = self.path.join(name);
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(octets)?;
        self.hand_over(&path, None, if self.user.is_some() { 0o640 } else { 0o600 })
    }

    /// Lays out the configuration for a database folder, which may be relative to the home, and gives it.
    pub(super) fn write_config(&self, database: &Path, stream_max_bytes: u64) -> io::Result<String> {
        let threads = 2 * available_parallelism().map_or(1, usize::from);
        let config = config(database, stream_max_bytes, threads);
        self.write(CONFIG_FILE, config.as_bytes())?;
        Ok(config)
    }

    pub(super) fn write_pid(&self, pid: u32) -> io::Result<()> {
        self.write("clamd.pid", format!("{pid}\n").as_bytes())
    }

    pub(super) fn remove_pid(&self) -> io::Result<()> {
        gone(fs::remove_file(self.path.join("clamd.pid")))
    }

    fn hand_over(&self, path: &Path, owner: Option<User>, mode: u32) -> io::Result<()> {
        if let Some(user) = self.user {
            chown(path, owner.map(|owner| owner.uid), Some(user.gid))?;
        }
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Ends the process in the pid file if it is a clamd that works in this very folder.
    fn end_stray(&self) -> io::Result<()> {
        let Ok(text) = fs::read_to_string(self.path.join("clamd.pid")) else { return Ok(()) };
        let pid = text.trim().parse::<i32>().ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|pid| self.is_ours(*pid)) {
            // It may have ended between the look and the signal.
            let _gone = rustix::process::kill_process(pid, Signal::KILL);
        }
        self.remove_pid()
    }

    fn is_ours(&self, pid: Pid) -> bool {
        let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
        let argument = format!("--config-file={CONFIG_FILE}");
        let named = fs::read(process.join("cmdline"))
            .is_ok_and(|line| line.split(|octet| *octet == 0).any(|word| word == argument.as_bytes()));
        named && fs::read_link(process.join("cwd")).is_ok_and(|folder| folder == self.path)
    }

    fn make_shortcut(&self, runtime_dir: Option<&Path>) -> io::Result<PathBuf> {
        let mut places = runtime_dir.map(Path::to_owned).into_iter().chain([std::env::temp_dir(), "/tmp".into()]);
        let fits = |place: &PathBuf| place.as_os_str().len() < SOCKET_PATH_BYTES - 50 && place.is_dir();
        let place = places.find(fits).unwrap_or_else(|| "/tmp".into());
        let folder = make_private_folder(&place)?;
        symlink(self.path.join("run"), folder.join("run"))?;
        symlink(&folder, self.path.join("shortcut"))?;
        Ok(folder)
    }

    /// Also one that a killed poplar left behind.
    fn remove_shortcut(&self) {
        let link = self.path.join("shortcut");
        if let Ok(folder) = fs::read_link(&link) {
            // A cleaner of temporary folders may have been here first.
            let _gone = fs::remove_file(folder.join("run")).and_then(|()| fs::remove_dir(&folder));
            let _gone = fs::remove_file(link);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.remove_shortcut();
    }
}

/// `mkdir` fails where the name is taken, so nobody else can have laid the folder for us.
fn make_private_folder(place: &Path) -> io::Result<PathBuf> {
    let pid = std::process::id();
    for attempt in 0..1000 {
        let folder = place.join(format!("poplar-{pid}-{attempt}"));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("no free name in {}", place.display())))
}

fn is_plain(path: &Path) -> bool {
    path.to_str().is_some_and(|text| !text.contains(|letter: char| letter == '"' || letter.is_control()))
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Limits that alert when they are exceeded, and stay below 1 GiB (CVE-2025-20260). There is no `User` line: the
/// launcher has changed the user already, because a change by clamd itself would undo the parent-death signal. It never
/// loads other signatures by itself (`SelfCheck 0`): with new ones it is started anew, so that those it has are known.
fn config(database: &Path, stream_max_bytes: u64, threads: usize) -> String {
    let database = database.display();
    format!(
        "# Written by poplar at every start of clamd; changes are lost.\n\
         Foreground yes\n\
         LocalSocket run/clamd.sock\n\
         LocalSocketMode 600\n\
         FixStaleSocket yes\n\
         TemporaryDirectory run\n\
         DatabaseDirectory \"{database}\"\n\
         SelfCheck 0\n\
         MaxThreads {threads}\n\
         CommandReadTimeout 30\n\
         ReadTimeout 120\n\
         IdleTimeout 300\n\
         StreamMaxLength {stream_max_bytes}\n\
         MaxFileSize 256M\n\
         MaxScanSize 800M\n\
         MaxRecursion 17\n\
         MaxFiles 10000\n\
         MaxScanTime 120000\n\
         AlertExceedsMax yes\n\
         AlertEncrypted yes\n\
         AlertOLE2Macros yes\n\
         HeuristicScanPrecedence no\n\
         ExitOnOOM yes\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_would_end_its_quotes_is_refused() {
        assert!(is_plain(Path::new("/var/lib/my clamav")));
        assert!(!is_plain(Path::new("/var/lib/\"\nUser root\n")));
    }
}

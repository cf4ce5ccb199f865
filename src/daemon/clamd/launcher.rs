//! How programs are found and started: clamd without rights it does not need, and never longer than poplar.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where distributions put programs; `sbin` is often not in a person's `PATH`.
const FOLDERS: [&str; 6] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/sbin", "/bin"];

/// A user without rights, for the process that takes hostile mail apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Launcher {
    /// Through setpriv: clamd gets SIGTERM when the thread that started it ends, even by SIGKILL, and can gain no rights.
    /// As root it runs as the package's own user, where there is one.
    Setpriv { program: PathBuf, user: Option<User> },
    /// No setpriv that can do this: clamd runs as poplar does, and a killed poplar's clamd is ended at the next start.
    Plain,
}

impl Launcher {
    pub(super) fn detect() -> Self {
        match find("setpriv").filter(|program| works(program)) {
            Some(program) => Self::Setpriv { program, user: unprivileged_user() },
            None => Self::Plain,
        }
    }

    /// Who the started program runs as, where that is not who poplar runs as.
    pub(super) const fn user(&self) -> Option<User> {
        match self {
            Self::Setpriv { user, .. } => *user,
            Self::Plain => None,
        }
    }

    /// The program with no input and an empty environment: poplar's may hold passwords.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = match self {
            Self::Plain => Command::new(program),
            Self::Setpriv { program: setpriv, user } => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "TERM", "--no-new-privs"]);
                if let Some(User { uid, gid }) = user {
                    command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
                }
                command.arg("--").arg(program);
                command
            }
        };
        // A Ctrl-C is for poplar, which still has scans to finish; it ends clamd itself, last.
        command.process_group(0).env_clear().stdin(Stdio::null());
        command
    }
}

pub(super) fn find(name: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// The one in BusyBox knows fewer options.
fn works(setpriv: &Path) -> bool {
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "TERM", "--no-new-privs", "--", "true"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// root needs nothing of root's to scan.
fn unprivileged_user() -> Option<User> {
    let users = rustix::process::geteuid().is_root().then(|| fs::read_to_string("/etc/passwd").ok())??;
    users.lines().find_map(user_of_line)
}

fn user_of_line(line: &str) -> Option<User> {
    let mut fields = line.strip_prefix("clamav:")?.split(':').skip(1);
    Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scanners_user_is_read_from_its_line() {
        assert_eq!(user_of_line("clamav:x:104:107::/var/lib/clamav:/bin/false"), Some(User { uid: 104, gid: 107 }));
        assert_eq!(user_of_line("clamavx:x:104:107::/:/bin/false"), None);
        assert_eq!(user_of_line("clamav:x:none:107"), None);
    }
}

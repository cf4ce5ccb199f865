//! Faults at an exact place, by strace: the nth call of a kind in a thread does not happen, and the program is killed
//! there or told of an error.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Kill,
    /// An error by its name, from the nth call on.
    Error(&'static str),
    /// An error by its name, at the nth call alone.
    Once(&'static str),
}

/// Where a program is hit.
#[derive(Clone, Debug)]
pub(crate) struct Injection {
    pub(crate) calls: &'static str,
    /// Only calls on these files; all, if none.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) fault: Fault,
    /// Counted from 1, in each thread for itself.
    pub(crate) nth: u32,
}

impl Injection {
    /// The program and arguments that put this before a command.
    pub(crate) fn wrapper(&self) -> Vec<String> {
        let Self { calls, files, fault, nth } = self;
        let fault = match fault {
            Fault::Kill => format!("signal=SIGKILL:when={nth}"),
            Fault::Error(name) => format!("error={name}:when={nth}+"),
            Fault::Once(name) => format!("error={name}:when={nth}"),
        };
        let mut words: Vec<String> = ["strace", "-f", "-qq", "-o", "/dev/null", "-e"].map(str::to_owned).to_vec();
        words.extend([format!("trace={calls}"), "-e".to_owned(), format!("inject={calls}:{fault}")]);
        words.extend(files.iter().flat_map(|path| ["-P".to_owned(), path.display().to_string()]));
        words
    }
}

/// Whether every place is to be tried, not a sample.
pub(crate) fn is_everything() -> bool {
    std::env::var_os("CRASH_ALL").is_some()
}

/// Whether strace can trace here. Says why not, once.
pub(crate) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        let injection = Injection { calls: "exit_group", files: Vec::new(), fault: Fault::Kill, nth: 1 };
        let words = injection.wrapper();
        let tried = Command::new(&words[0]).args(&words[1..]).arg("true").stdin(Stdio::null()).output();
        match tried {
            Ok(output) if output.status.signal() == Some(9) => true,
            Ok(output) => skip(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => skip(&error.to_string()),
        }
    })
}

#[expect(clippy::print_stderr, reason = "a test that does nothing must say so")]
fn skip(why: &str) -> bool {
    eprintln!("skipped: strace cannot trace here ({}); ./scripts/test installs it", why.trim());
    false
}

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// What the process was started with. A value, so that a test can have one of its own.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    pub variables: BTreeMap<OsString, OsString>,
    /// Whether the effective user is root.
    pub superuser: bool,
    /// The folder of system-wide settings.
    pub etc: PathBuf,
}

impl Environment {
    pub fn process() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
            superuser: rustix::process::geteuid().is_root(),
            etc: PathBuf::from("/etc"),
        }
    }

    /// A variable that is set to the empty string counts as not set, as in the XDG base directory specification.
    pub fn variable(&self, name: &str) -> Option<&OsString> {
        self.variables.get(&OsString::from(name)).filter(|value| !value.is_empty())
    }

    /// A folder named by an XDG variable, else below the home folder. A relative one is ignored, as the specification
    /// demands.
    pub(super) fn xdg(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let named = self.variable(variable).map(PathBuf::from).filter(|folder| folder.is_absolute());
        named.or_else(|| self.variable("HOME").map(|home| PathBuf::from(home).join(below_home)))
    }
}

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the settings cannot be used. Nothing here gets better by trying again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// All that is wrong with the file, from its top to its end.
    #[error("{}", as_lines(.0))]
    Refused(Vec<Fault>),
    #[error("cannot read the configuration file {}: {source}; {}", .file.display(), advice(.source))]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("no folder for the archive: neither HOME nor XDG_DATA_HOME is set; name one with --data-dir DIR")]
    NoDataDir,
    #[error(
        "no account is configured{}; write one:\n\n    [[account]]\n    name = \"sales\"\n    host = \"pop.example.org\"\n    \
         user = \"sales@example.org\"\n    password = {{ file = \"sales.secret\" }}\n", place(.file, .searched)
    )]
    NoAccounts { file: Option<PathBuf>, searched: Vec<PathBuf> },
    #[error("no account is called {name:?}; {hint}")]
    UnknownAccount { name: String, hint: String },
}

/// One thing that is wrong with the file, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    pub sentence: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.sentence)
    }
}

fn as_lines(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "check the path, or leave it out to use the default places",
        io::ErrorKind::PermissionDenied => "run poplar as the user who may read it, or change its mode",
        io::ErrorKind::IsADirectory => "name the file in it",
        _ => "check the file and its disk",
    }
}

fn place(file: &Option<PathBuf>, searched: &[PathBuf]) -> String {
    match file {
        Some(file) => format!(" in {}", file.display()),
        None if searched.is_empty() => String::new(),
        None => {
            let places: Vec<String> = searched.iter().map(|place| place.display().to_string()).collect();
            format!(" and there is no configuration file at {}", places.join(" or "))
        }
    }
}

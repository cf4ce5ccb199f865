use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use schemars::JsonSchema;

use super::Environment;
use crate::mail::Secret;

/// Where a password or another secret comes from; [`SecretSource::read`] reads it, at the moment somebody logs in.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum SecretSource {
    /// A file that holds nothing else, readable by its owner only.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A program and its arguments, run without a shell; what it prints within 30 s is the secret.
    Command(Vec<String>),
    /// The name of a systemd credential (`LoadCredential=`).
    Credential(String),
}

/// Why there is no secret. The sentence never holds any part of one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the secret file {} {}", .file.display(), why(.source))]
    File { file: PathBuf, source: io::Error },
    #[error("the secret file {} is not a plain file; name one that holds the secret and nothing else", .0.display())]
    NotAFile(PathBuf),
    #[error("the secret file {} can be read by others (mode {mode:04o}); run: chmod 600 {}", .file.display(), .file.display())]
    OpenToOthers { file: PathBuf, mode: u32 },
    #[error("the environment variable {0} is not set; set it where poplar is started")]
    NoVariable(String),
    #[error(
        "no systemd credential {0:?}: CREDENTIALS_DIRECTORY is not set; run under systemd with LoadCredential={0}:PATH"
    )]
    NoCredentials(String),
    #[error("the command {program:?} cannot be run: {source}; check its path and mode")]
    CommandStart { program: String, source: io::Error },
    #[error("the command {program:?} failed ({status}); run it by hand as the same user to see why")]
    CommandFailed { program: String, status: ExitStatus },
    #[error("the command {program:?} did not answer within {} s; it may be waiting for input", .limit.as_secs_f32())]
    CommandTimeout { program: String, limit: Duration },
    #[error("the secret from {0} is empty")]
    Empty(String),
    #[error("the secret from {0} holds a line end or a NUL, which POP3 cannot carry; leave one line")]
    Unsendable(String),
    #[error("the secret from {0} is not UTF-8 text, or longer than 64 KiB")]
    NotText(String),
}

const COMMAND_LIMIT: Duration = Duration::from_secs(30);
const LONGEST: u64 = 64 << 10;

impl SecretSource {
    /// Reads the secret now, without one line end after it. Blocks while a command runs, at most 30 s.
    pub fn read(&self) -> Result<Secret<String>, Error> {
        self.read_in(&Environment::process())
    }

    /// The same, in a given environment.
    pub fn read_in(&self, environment: &Environment) -> Result<Secret<String>, Error> {
        let octets = match self {
            Self::File(file) => {
                self.check_mode()?;
                read_file(file)?
            }
            Self::Env(name) => {
                let value = environment.variable(name).ok_or_else(|| Error::NoVariable(name.clone()))?;
                value.clone().into_encoded_bytes()
            }
            Self::Command(command) => run(command, COMMAND_LIMIT)?,
            // No look at the mode: systemd grants the service its credentials by an access list, which shows as 0440.
            Self::Credential(name) => {
                let folder = environment.variable("CREDENTIALS_DIRECTORY");
                let folder = folder.ok_or_else(|| Error::NoCredentials(name.clone()))?;
                read_file(&Path::new(folder).join(name))?
            }
        };
        self.checked(octets)
    }

    /// Whether a file of a secret is one, and is closed to everybody but its owner. Does not read it.
    pub fn check_mode(&self) -> Result<(), Error> {
        let Self::File(file) = self else { return Ok(()) };
        let found = fs::metadata(file).map_err(|source| Error::File { file: file.clone(), source })?;
        let mode = found.mode() & 0o7777;
        match () {
            () if !found.is_file() => Err(Error::NotAFile(file.clone())),
            () if mode & 0o077 != 0 => Err(Error::OpenToOthers { file: file.clone(), mode }),
            () => Ok(()),
        }
    }

    fn checked(&self, octets: Vec<u8>) -> Result<Secret<String>, Error> {
        let mut text = String::from_utf8(octets)
            .ok()
            .filter(|text| text.len() as u64 <= LONGEST)
            .ok_or_else(|| Error::NotText(self.place()))?;
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        match text {
            text if text.is_empty() => Err(Error::Empty(self.place())),
            text if text.contains(['\r', '\n', '\0']) => Err(Error::Unsendable(self.place())),
            text => Ok(Secret::new(text)),
        }
    }

    /// Where it comes from, for sentences.
    fn place(&self) -> String {
        match self {
            Self::File(file) => format!("the file {}", file.display()),
            Self::Env(name) => format!("the environment variable {name}"),
            Self::Command(command) => format!("the command {:?}", command.first().map_or("", String::as_str)),
            Self::Credential(name) => format!("the systemd credential {name:?}"),
        }
    }
}

impl Error {
    /// Whether the next try may find a secret without anybody changing anything.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::CommandStart { .. } | Self::CommandFailed { .. } | Self::CommandTimeout { .. })
    }

    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

fn why(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::NotFound => "does not exist; write the secret into it, and chmod 600 it".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "may not be read by this user; make it belong to the user that poplar runs as".to_owned()
        }
        _ => format!("cannot be read: {source}"),
    }
}

fn read_file(file: &Path) -> Result<Vec<u8>, Error> {
    let opened = fs::File::open(file).and_then(read_bounded);
    opened.map_err(|source| Error::File { file: file.to_owned(), source })
}

/// One octet more than is allowed, so that too long can be told from just long enough.
fn read_bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    source.take(LONGEST + 1).read_to_end(&mut octets)?;
    Ok(octets)
}

/// What the command prints. Its error output goes where ours goes, so that it can say what it needs.
fn run(command: &[String], limit: Duration) -> Result<Vec<u8>, Error> {
    let (program, arguments) = command.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let program = program.to_owned();
    let spawned = Command::new(&program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|source| Error::CommandStart { program: program.clone(), source })?;
    match output_within(&mut child, limit) {
        Some((output, status)) if status.success() => Ok(output),
        Some((_, status)) => Err(Error::CommandFailed { program, status }),
        None => {
            // It may have ended by itself in between; either way it must not stay behind as a zombie.
            drop(child.kill().and_then(|()| child.wait()));
            Err(Error::CommandTimeout { program, limit })
        }
    }
}

/// What the child printed, and how it ended; nothing if that takes longer than `limit`. The reading thread is not
/// waited for: a grandchild that keeps the pipe open would hold us for ever.
fn output_within(child: &mut Child, limit: Duration) -> Option<(Vec<u8>, ExitStatus)> {
    let deadline = Instant::now() + limit;
    let stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(read_bounded(stdout)));
    let output = receiver.recv_timeout(limit).ok()?.ok()?;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some((output, status)),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_does_not_end_is_given_up() {
        let command = ["sh", "-c", "echo sekrit; exec sleep 60"].map(str::to_owned);
        let error = run(&command, Duration::from_millis(200)).unwrap_err();
        assert!(matches!(error, Error::CommandTimeout { .. }) && error.is_transient(), "{error}");
    }

    #[test]
    fn a_command_that_floods_is_cut_short() {
        let command = ["sh", "-c", "exec yes"].map(str::to_owned);
        let error = SecretSource::Command(command.to_vec()).read().unwrap_err();
        assert!(matches!(error, Error::CommandFailed { .. }), "{error}");
    }
}

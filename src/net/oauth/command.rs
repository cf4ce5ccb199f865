use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{self, Child};
use tokio::time::timeout;

use super::answer::{sentence, token};
use super::error::{Cause, Error};
use crate::mail::Secret;

const LIMIT: Duration = Duration::from_secs(30);
/// The most that is read of what the command prints, in bytes; more ends it.
const LONGEST: u64 = 64 << 10;
/// How much of the end of its error output is kept, in bytes.
const TAIL: usize = 4 << 10;

/// A program and its arguments, run without a shell. The first line that it prints is the token.
#[derive(Clone, Debug)]
pub struct Command {
    words: Vec<String>,
    limit: Duration,
}

impl Command {
    /// At most 30 s a run.
    pub const fn new(words: Vec<String>) -> Self {
        Self { words, limit: LIMIT }
    }

    /// The same with another limit.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    pub(super) async fn run(&self) -> Result<Secret<String>, Error> {
        let cannot_run = |error| self.error(Cause::Start(error));
        let mut child = self.start().map_err(cannot_run)?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let Ok(printed) = timeout(self.limit, printed(&mut child)).await else {
            kill(group);
            return Err(self.error(Cause::Hung(self.limit)));
        };
        printed.map_err(cannot_run)?.token().map_err(|cause| self.error(cause))
    }

    pub(super) fn error(&self, cause: Cause) -> Error {
        Error { place: format!("the command {:?}", self.program()), cause }
    }

    fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    fn start(&self) -> io::Result<Child> {
        process::Command::new(self.program())
            .args(self.words.iter().skip(1))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

async fn printed(child: &mut Child) -> io::Result<Printed> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (output, said, status) = tokio::join!(beginning(stdout), end(stderr), child.wait());
    Ok(Printed { output: output?, said: said?, status: status? })
}

/// The whole group: a script that hangs has children.
fn kill(group: Option<Pid>) {
    let _gone_already = group.map(|group| kill_process_group(group, Signal::KILL));
}

struct Printed {
    output: Vec<u8>,
    said: Vec<u8>,
    status: ExitStatus,
}

impl Printed {
    fn token(self) -> Result<Secret<String>, Cause> {
        let output = String::from_utf8_lossy(&self.output);
        let first = output.lines().next().unwrap_or_default();
        let said = last_line(&self.said, first);
        match () {
            () if !self.status.success() => Err(Cause::Failed { status: self.status, said }),
            () if first.is_empty() => Err(Cause::Nothing { said }),
            () => token(first.to_owned()),
        }
    }
}

/// Not the token, should the command repeat it there.
fn last_line(said: &[u8], first: &str) -> String {
    let said = String::from_utf8_lossy(said);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    sentence(last, &[first])
}

async fn beginning(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(LONGEST).read_to_end(&mut octets).await?;
    }
    Ok(octets)
}

async fn end(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut tail = Vec::new();
    if let Some(mut pipe) = pipe {
        while pipe.read_buf(&mut tail).await? > 0 {
            tail.drain(..tail.len().saturating_sub(TAIL));
        }
    }
    Ok(tail)
}

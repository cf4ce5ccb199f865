//! Outcomes as exit codes, and the one place where an error is told to the person.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::screen::{messages_wait, tame_lines};
use crate::daemon::fetch::Left;
use crate::daemon::{self, account, backup, owner, purge, sign_in};
use crate::{archive, config};

/// The exit status of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Well = 0,
    /// Something failed, or damage was found.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Try again later.
    Later = 75,
}

pub(super) fn exit(outcome: anyhow::Result<Code>) -> ExitCode {
    let code = outcome.unwrap_or_else(|error| {
        if is_broken_pipe(&error) {
            return Code::Well;
        }
        complain(&error.to_string());
        code_of(&error)
    });
    ExitCode::from(code as u8)
}

/// To stderr, in the program's name. What a server or a message said may be in it, and must not reach the terminal.
#[expect(clippy::print_stderr, reason = "stderr is for talk")]
pub(super) fn complain(sentence: &str) {
    eprintln!("poplar: {}", tame_lines(sentence));
}

/// To stdout. A reader that has gone away is an error that ends the program quietly.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Says what is not scanned or not indexed yet, and why: a command that promised it has not kept its word.
pub(super) fn complain_of(left: &Left) -> Code {
    let stages = [("scanner", left.unscanned, &left.scanner), ("index", left.unindexed, &left.index)];
    let mut code = Code::Well;
    for (stage, number, why) in stages.into_iter().filter(|(_, number, _)| *number > 0) {
        let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        complain(&format!("{} for the {stage}{why}", messages_wait(number)));
        code = Code::Later;
    }
    code
}

fn code_of(error: &anyhow::Error) -> Code {
    if error.is::<config::Error>()
        || error.is::<config::SecretError>()
        || error.is::<config::EditError>()
        || error.is::<backup::Refused>()
        || error.is::<purge::Refused>()
        || error.downcast_ref().is_some_and(sign_in::Error::is_usage)
    {
        return Code::Usage;
    }
    match error.downcast_ref::<owner::Error>() {
        _ if error.downcast_ref().is_some_and(account::Error::is_transient) => Code::Later,
        _ if error.is::<account::Error>() => Code::Usage,
        Some(owner::Error::Owned { .. }) => Code::Later,
        Some(owner::Error::Scanner(_)) => Code::Usage,
        _ if is_transient(error) => Code::Later,
        _ => Code::Failed,
    }
}

fn is_transient(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(archive::Error::is_transient) || daemon::is_transient(error)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

//! The worker: shuts itself in, then answers one document after another until its input ends. Knows nothing about who
//! asks; trusts lengths, and nothing that is in a document.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Pid;

use super::frames::{Ask, Attempt, Request, read_request, write_answer};
use super::read::Reading;
use super::{Extracted, Limits, Outcome, confine, format_of};

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There was nothing more to do.
    Well,
    /// Its pipes broke, or it could not be shut in at all.
    Failed,
}

/// What `poplar extract-worker` does, with the pipes that it was started with.
pub fn serve(limits: &Limits) -> Ended {
    match answer_all(limits) {
        Ok(()) => Ended::Well,
        Err(_) => Ended::Failed,
    }
}

fn answer_all(limits: &Limits) -> io::Result<()> {
    // What is said beside the answers must find room in the pipe, or be dropped.
    let errors = io::stderr();
    fcntl_setfl(&errors, fcntl_getfl(&errors)? | OFlags::NONBLOCK)?;
    // What a library prints must not get among the answers.
    let mut output = File::from(rustix::io::dup(io::stdout())?);
    rustix::stdio::dup2_stdout(&errors)?;
    let mut input = io::stdin().lock();

    let parent = rustix::process::getppid();
    let confinement = serde_json::to_string(&confine::confine(limits, output.as_fd()))?;
    write_answer(&mut output, &Extracted { text: confinement, outcome: Outcome::Read })?;
    while let Some(request) = read_request(&mut input)? {
        confine::renew_cpu(limits.cpu_seconds)?;
        let answer = match request.ask {
            Ask::Read => read(&request, limits),
            Ask::Probe => Extracted { text: serde_json::to_string(&attempts(parent))?, outcome: Outcome::Read },
        };
        write_answer(&mut output, &answer)?;
    }
    Ok(())
}

/// Never panics: what was read before a reader did is given back.
fn read(request: &Request, limits: &Limits) -> Extracted {
    let (content_type, filename) = (request.content_type.as_str(), request.filename.as_deref());
    let Some(format) = format_of(content_type, filename, &request.octets) else {
        return Extracted::nothing(Outcome::Unsupported);
    };
    let mut reading = Reading::new(&limits.read);
    match catch_unwind(AssertUnwindSafe(|| reading.document(format, &request.octets))) {
        Ok(ended) => reading.finish(ended),
        Err(panic) => reading.broken_off(&format!("reading it failed in an unforeseen way: {}", sentence(&*panic))),
    }
}

fn sentence(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given")
}

/// Tries what a reader that was taken over would try.
fn attempts(parent: Option<Pid>) -> Vec<Attempt> {
    let attempt = |what: &str, outcome: Result<(), String>| Attempt { what: what.to_owned(), refused: outcome.err() };
    let tried = |outcome: io::Result<()>| outcome.map_err(|error| error.to_string());
    let socket = |family| {
        let opened = rustix::net::socket(family, rustix::net::SocketType::STREAM, None);
        opened.map(drop).map_err(|error| error.to_string())
    };
    vec![
        attempt("read /etc/passwd", tried(File::open("/etc/passwd").map(drop))),
        attempt("read its own program", tried(File::open("/proc/self/exe").map(drop))),
        attempt("write a file", tried(written())),
        attempt("list the root folder", tried(std::fs::read_dir("/").map(drop))),
        attempt("open a socket (IPv4)", socket(rustix::net::AddressFamily::INET)),
        attempt("open a socket (unix)", socket(rustix::net::AddressFamily::UNIX)),
        attempt(
            "start a program",
            tried(Command::new("/bin/true").spawn().and_then(|mut child| child.wait()).map(drop)),
        ),
        attempt("start a thread", tried(std::thread::Builder::new().spawn(|| ()).map(drop))),
        attempt(
            "signal another process",
            match parent.map(rustix::process::test_kill_process) {
                Some(signalled) => signalled.map_err(|error| error.to_string()),
                None => Err("there is none".to_owned()),
            },
        ),
        attempt(
            "read its environment",
            match std::env::vars_os().next() {
                Some(_) => Ok(()),
                None => Err("it is empty".to_owned()),
            },
        ),
    ]
}

/// Leaves nothing behind where it can.
fn written() -> io::Result<()> {
    let path = format!("/tmp/poplar-extract-probe-{}", std::process::id());
    File::create(&path)?.write_all(b"x")?;
    std::fs::remove_file(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else that they are refused would say nothing.
    #[test]
    fn who_is_not_shut_in_can_do_what_is_tried() {
        for attempt in attempts(Some(rustix::process::getpid())) {
            assert_eq!(attempt.refused, None, "{}", attempt.what);
        }
    }
}

//! One worker process: starts it, asks it, and ends it. Every wait has a deadline, every length a bound.
//! Knows nothing about documents, and never asks twice.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;

use super::frames::{ANSWER_HEAD, AnswerHead, Ask, cut, request};
use super::{Confinement, Extracted, Limits};

/// Of what a worker says while it dies, the last octets are kept.
const LAST_WORDS: usize = 4096;
/// How long a worker may take to start and shut itself in.
const START: Duration = Duration::from_secs(10);
/// How long one that closed its pipes may take to end.
const END: Duration = Duration::from_millis(500);
/// How soon it is noticed that nobody wants the answer any more.
const LOOK_UP: Duration = Duration::from_millis(100);
const CHUNK: usize = 64 << 10;

/// A worker that is alive, or was when it was last asked. Dropped, it is killed and waited for.
pub(super) struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: ChildStderr,
    last_words: Vec<u8>,
    pub(super) confinement: Confinement,
    /// Documents it was given.
    pub(super) asked: u32,
}

/// Why there is no answer. The worker is of no use any more.
#[derive(Debug)]
pub(super) enum Fault {
    /// It neither read nor answered in time.
    OutOfTime(Duration),
    OutOfCpu,
    /// Nobody wants the answer any more.
    GivenUp,
    /// How it ended, and what it said.
    Died(String),
    /// It said something that is no answer.
    Nonsense,
    Io(io::Error),
}

impl Fault {
    /// Whether the document alone is to blame: another worker would fare no better.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::OutOfTime(_) | Self::OutOfCpu)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfTime(wall) => write!(f, "it took longer than {} s", wall.as_secs_f32()),
            Self::GivenUp => f.write_str("no more documents are to be read"),
            Self::OutOfCpu => f.write_str("it took too much processor time"),
            Self::Died(how) => write!(f, "the process that read it ended: {how}"),
            Self::Nonsense => f.write_str("the process that read it gave no proper answer"),
            Self::Io(error) => write!(f, "the pipe to the process that read it broke: {error}"),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rustix::io::Errno> for Fault {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl Process {
    /// Takes over a child that was just started, and waits until it has shut itself in.
    pub(super) fn adopt(mut child: Child, given_up: &AtomicBool) -> Result<Self, Fault> {
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else { return Err(Fault::Nonsense) };
        let confinement = Confinement::unknown();
        let mut process = Self { child, input, output, errors, last_words: Vec::new(), confinement, asked: 0 };
        for descriptor in [process.input.as_fd(), process.output.as_fd(), process.errors.as_fd()] {
            fcntl_setfl(descriptor, fcntl_getfl(descriptor)? | OFlags::NONBLOCK)?;
        }
        let deadline = Deadline::after(START, given_up);
        let hello = process.answer(&deadline, CHUNK as u64).map_err(|fault| process.explained(fault))?;
        process.confinement = serde_json::from_str(&hello.text).map_err(|_| Fault::Nonsense)?;
        Ok(process)
    }

    /// One document and its answer.
    pub(super) fn ask(
        &mut self,
        ask: Ask,
        (content_type, filename): (&str, Option<&str>),
        octets: &[u8],
        limits: &Limits,
        given_up: &AtomicBool,
    ) -> Result<Extracted, Fault> {
        self.asked += 1;
        let deadline = Deadline::after(limits.wall, given_up);
        let head = request(ask, content_type, filename, octets.len() as u64);
        let sent = self.send(&head, &deadline).and_then(|()| self.send(octets, &deadline));
        let answer = sent.and_then(|()| self.answer(&deadline, limits.read.text_bytes));
        answer.map_err(|fault| self.explained(fault))
    }

    /// Whether it ended by itself since it was last asked.
    pub(super) fn is_gone(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn send(&mut self, mut octets: &[u8], deadline: &Deadline<'_>) -> Result<(), Fault> {
        while !octets.is_empty() {
            self.wait(Way::In, deadline)?;
            match self.input.write(octets) {
                Ok(written) => octets = &octets[written..],
                Err(error) if is_later(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn answer(&mut self, deadline: &Deadline<'_>, most_text: u64) -> Result<Extracted, Fault> {
        let head = self.receive(ANSWER_HEAD, deadline)?;
        let head = head.first_chunk().and_then(|head| AnswerHead::read(head, most_text)).ok_or(Fault::Nonsense)?;
        Ok(head.fill(self.receive(head.why_bytes + head.text_bytes, deadline)?))
    }

    /// Exactly so many octets. Room is made as they come, not as they are announced.
    fn receive(&mut self, length: usize, deadline: &Deadline<'_>) -> Result<Vec<u8>, Fault> {
        let mut octets = Vec::new();
        while octets.len() < length {
            self.wait(Way::Out, deadline)?;
            let before = octets.len();
            octets.resize(length.min(before + CHUNK), 0);
            let read = match self.output.read(&mut octets[before..]) {
                Ok(0) => return Err(Fault::Died(String::new())),
                Ok(read) => read,
                Err(error) if is_later(&error) => 0,
                Err(error) => return Err(error.into()),
            };
            octets.truncate(before + read);
        }
        Ok(octets)
    }

    /// Until the pipe is ready that way; meanwhile takes in what the worker says beside.
    fn wait(&mut self, way: Way, deadline: &Deadline<'_>) -> Result<(), Fault> {
        loop {
            if deadline.given_up.load(Ordering::Relaxed) {
                return Err(Fault::GivenUp);
            }
            let left = deadline.left().ok_or(Fault::OutOfTime(deadline.wall))?.min(LOOK_UP);
            let left = Timespec::try_from(left).map_err(|_| Fault::OutOfTime(deadline.wall))?;
            let pipe = match way {
                Way::In => PollFd::new(&self.input, PollFlags::OUT),
                Way::Out => PollFd::new(&self.output, PollFlags::IN),
            };
            let mut pipes = [pipe, PollFd::new(&self.errors, PollFlags::IN)];
            match poll(&mut pipes, Some(&left)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [pipe, errors] = pipes.map(|pipe| pipe.revents());
            if errors.contains(PollFlags::IN) {
                self.listen();
            }
            if !pipe.is_empty() {
                return Ok(());
            }
            if errors.contains(PollFlags::HUP) && !errors.contains(PollFlags::IN) {
                return Err(Fault::Died(String::new()));
            }
        }
    }

    /// Takes what it has said, but no more than so much at a time: who never stops must not be listened to for ever.
    fn listen(&mut self) {
        let mut chunk = [0; 1024];
        for _ in 0..64 {
            let Ok(read @ 1..) = self.errors.read(&mut chunk) else { break };
            self.last_words.extend_from_slice(&chunk[..read]);
            let surplus = self.last_words.len().saturating_sub(LAST_WORDS);
            self.last_words.drain(..surplus);
        }
    }

    /// Ends the worker, and says how it ended if it did so itself.
    fn explained(&mut self, fault: Fault) -> Fault {
        let is_ending = matches!(fault, Fault::Died(_) | Fault::Io(_));
        let ended = if is_ending { self.ended_within(END) } else { None };
        self.kill();
        self.listen();
        match ended {
            Some(status) if status.signal() == Some(Signal::XCPU.as_raw()) => Fault::OutOfCpu,
            Some(status) => Fault::Died(how(status, &self.last_words)),
            None if matches!(fault, Fault::Died(_)) => Fault::Nonsense,
            None => fault,
        }
    }

    fn ended_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if begun.elapsed() < patience => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    fn kill(&mut self) {
        // Fails only where there is nothing left to end.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// How a worker ended, in words. What it wrote while it died names the cause better than the signal does.
fn how(status: ExitStatus, last_words: &[u8]) -> String {
    let said = String::from_utf8_lossy(last_words);
    if said.contains("memory allocation of") || said.contains("out of memory") {
        return "it ran out of memory".to_owned();
    }
    if said.contains("overflowed its stack") {
        return "it was nested too deeply".to_owned();
    }
    let said = match said.lines().rev().find(|line| !line.trim().is_empty() && !line.starts_with("note:")) {
        Some(last) => format!(" ({})", cut(last.trim(), 200)),
        None => String::new(),
    };
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("by signal {signal}{said}"),
        (_, Some(code)) => format!("with status {code}{said}"),
        _ => "in an unknown way".to_owned(),
    }
}

struct Deadline<'g> {
    end: Option<Instant>,
    wall: Duration,
    /// Turns true where the wait is to end at once.
    given_up: &'g AtomicBool,
}

impl<'g> Deadline<'g> {
    fn after(wall: Duration, given_up: &'g AtomicBool) -> Self {
        Self { end: Instant::now().checked_add(wall), wall, given_up }
    }

    /// `None` once it is over.
    fn left(&self) -> Option<Duration> {
        match self.end {
            Some(end) => end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()),
            // So far away that it cannot be told.
            None => Some(Duration::from_secs(3600)),
        }
    }
}
